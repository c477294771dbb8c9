"""The command line of tuning: which value wins, and that whatever goes wrong ends in one sentence."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.keras_resnet.helpers import run_python
from training.config import FIELDS, load_recipe, make_config
from training.config.fields import name_of
from training.optimization.optimizers import OPTIMIZERS
from tuning import search
from tuning.__main__ import main
from tuning.engine.access import open_access
from tuning.packaged import STUDIES
from tuning.space.reading import default_space
from tuning.study import Settings, Study, make_study


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """Start no server of processes, which would stay with the tests to their end: nothing is trained here."""
    monkeypatch.setattr("tuning.engine.jobs.processes", lambda: None)


@pytest.fixture
def parsed(monkeypatch):
    """Make the function that gives the study that a command line asks for, and what else it says."""

    def parse(*arguments) -> tuple[Study, list]:
        calls = []

        class Found:
            def ranked(self):
                return [None]

        monkeypatch.setattr(search, "run_study", lambda *values: calls.append(values) or Found())
        assert main([str(argument) for argument in arguments]) == 0
        return calls[0][0], list(calls[0][1:])

    return parse


@pytest.fixture
def refused(capsys):
    """Make the function that gives the sentence in which a command line ends."""

    def refuse(*arguments) -> str:
        assert main([str(argument) for argument in arguments]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
        return error.removeprefix("error: ").strip()

    return refuse


def test_packaged_study_goes_on_in_its_folder_and_takes_options(parsed, capsys):
    study, rest = parsed("study", "degradation", "--epochs", 2, "--workers", 3)
    assert study.claims and study.fields["epochs"] == 2
    assert rest == [Path("studies", "degradation"), 3, None]
    study, rest = parsed("study", "degradation", "--full", "--data-dir", "DIR")
    assert (study.fields["data"]["dataset"], rest[0].name) == ("cifar10", "degradation-full")
    assert capsys.readouterr().out.endswith(f"report {Path('studies', 'degradation-full', 'report.html')}\n")
    study, rest = parsed("study", "depth", "--deepest", "--data-dir", "DIR")
    assert "ResNet1202" in study.space["network"] and rest[0] == Path("studies", "depth-deepest")


def test_study_of_activations_comes_on_the_data_that_it_began_with(parsed):
    options = ("--recipe", "caltech101", "--network", "ResNet18", "--epochs", 30)
    study, _ = parsed("study", "activations", *options)
    config = study.config({"activation": "gelu"})
    assert (config.data.dataset, config.network.name, config.epochs) == ("caltech101", "ResNet18", 30)
    assert config.data.image_size == 224 and study.claims[2].higher == {"activation": "relu"}


def test_studies_are_listed(capsys):
    assert main(["study"]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [name for name, _ in listed] == [*STUDIES]
    assert dict(listed)["depth"] == "Depth and its limit"


def test_unknown_study_is_refused(refused):
    assert refused("study", "degradatoin").startswith("Unknown study 'degradatoin'. Did you mean 'degradation'?")


def test_recipe_and_fields_make_a_study(parsed, tmp_path):
    study, rest = parsed(
        "--recipe", "cifar10-fast", "--search", "activation,shortcut", "--trials", 24, "--data-dir", tmp_path
    )
    assert study.space == default_space(["activation", "shortcut"])
    assert (study.trials, study.tuner, study.validation, study.seed) == (24, "random", 0.1, 0)
    recipe = make_config({"data_dir": tmp_path}, base=load_recipe("cifar10-fast"))
    assert make_config(study.fields) == recipe
    assert study.fields["data"]["data_dir"] == str(tmp_path)
    assert rest[0].parent.name == "studies" and rest[0].name.startswith("cifar10-fast-") and rest[1:] == [1, None]


def test_search_in_which_no_trial_has_a_score_fails(refused, monkeypatch, tmp_path):
    monkeypatch.setattr(search, "run_study", lambda *_: SimpleNamespace(ranked=lambda: []))
    said = refused("--search", "activation", "--trials", 1, "--study-dir", tmp_path / "study")
    assert said == f"No trial of {tmp_path / 'study'} has a score; its report.md says why."


def test_default_search_is_activation_shortcut_placement_and_a_rate_for_each_optimizer(parsed):
    study, _ = parsed("--trials", 5)
    assert list(study.space) == ["activation", "shortcut", "placement", "optimizer"]
    assert study.config({"optimizer": "sgd"}).optimizer == make_config(load_recipe("digits")).optimizer
    rates = {option["name"]: option["learning_rate"] for option in study.space["optimizer"]}
    assert set(rates) == set(OPTIMIZERS)


def test_command_line_overrides_the_study_file(parsed, tmp_path):
    path = tmp_path / "described.yaml"
    described = {"recipe": "digits", "fields": {"epochs": 7}, "space": {"activation": ["relu", "gelu"]}, "trials": 3}
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    assert parsed("--config", path)[0] == parsed("--config", path, "--recipe", "digits")[0]
    study, rest = parsed(
        "--config", path, "--repeats", 2, "--seed", 5, "--validation", 0.3, "--batch-size", 32, "--workers", 2
    )
    assert (study.repeats, study.seed, study.validation, study.trials) == (2, 5, 0.3, 3)
    assert (study.fields["epochs"], study.fields["batch_size"]) == (7, 32)
    assert study.space == described["space"]
    assert rest[1] == 2


def test_recipe_of_the_command_line_takes_the_place_of_that_of_the_file(parsed, tmp_path):
    path = tmp_path / "described.yaml"
    path.write_text("{recipe: image-folder, fields: {epochs: 7}, space: {activation: [relu]}, trials: 3}", "utf-8")
    config = parsed("--config", path, "--recipe", "digits")[0].config({"activation": "relu"})
    assert (config.data.dataset, config.data.image_size, config.epochs) == ("digits", None, 7)


@pytest.mark.parametrize("command", [["--trials", 1], ["study", "activations"], ["--config"]])
def test_finalists_and_papers_studies_are_tested_on_the_split_that_is_named(parsed, tmp_path, command):
    path = tmp_path / "described.yaml"
    path.write_text("{recipe: digits, fields: {test_split: 'test[:50%]'}, space: {activation: [relu]}, trials: 1}")
    option = [path] if command == ["--config"] else ["--test-split", "test[:50%]"]
    study, _ = parsed(*command, *option)
    assert study.final_config({"activation": "relu"}).data.test_split == "test[:50%]"


def test_field_of_a_study_file_that_the_study_decides_is_refused(refused, tmp_path):
    path = tmp_path / "described.yaml"
    path.write_text("{recipe: digits, fields: {validation: 0.3}, space: {activation: [relu]}, trials: 1}")
    said = f"{path}: validation cannot be in fields: give validation as a setting of the study."
    assert refused("--config", path) == said


def test_study_file_of_a_study_repeats_it(parsed, tmp_path):
    study, _ = parsed(
        "--trials", 5, "--epochs", 3, "--optimizer.weight-decay", 0.001, "--objective", "loss", "--stop", "median"
    )
    path = tmp_path / "study.yaml"
    path.write_text(study.to_yaml(), encoding="utf-8")
    assert parsed("--config", path)[0] == study
    assert make_study(yaml.safe_load(study.to_yaml()), "file") == study


@pytest.mark.parametrize("command", [[], ["report"], ["work"], ["compare"], ["export"]])
def test_commands_have_a_help(capsys, command):
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    assert "study" in capsys.readouterr().out.lower()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--search", "activation"], "options: a random search needs an end: give trials, total_epochs or hours."),
        (["--search", "dtype", "--trials", 1], "Unknown field to search: 'dtype'."),
        (["--search", ",", "--trials", 1], "The search space is empty"),
        (["--recipe", "digit"], "Unknown recipe 'digit'. Did you mean 'digits'"),
        (["--config", "nowhere.yaml"], "Cannot read the configuration 'nowhere.yaml'"),
        (["report", "nowhere"], "nowhere is no study: it has no study.yaml"),
        (["--trials", 1, "--workers", 0], "workers=0 runs no trial here"),
        (["--trials", 1, "--chief", "127.0.0.1"], "--chief takes HOST:PORT, as in node1:29400; received '127.0"),
        (["--trials", 1, "--tls", "chain.pem", "key.pem"], "--tls encrypts the calls of other machines; give --chief"),
        (["--trials", 1, "--dataset", "cifar"], "Unknown data set 'cifar'"),
        (["--trials", 1, "--network", "ResNet9"], "6n+2"),
        (["study", "degradation", "--network", "ResNet8"], "--network would be lost: this study searches it."),
        (["--search", "shortcut", "--trials", 1, "--shortcut", "B"], "--shortcut would be lost: this study searches"),
        (["--trials", 1, "--data.validation-seed", 7], "--data.validation-seed would be lost: the seed of the study"),
        (["study", "options", "--evaluation.no-each-epoch"], "--evaluation.each-epoch would be lost: trials are "),
        (["study", "options", "--config", "nowhere.yaml"], "--config nowhere.yaml would be lost: study options has"),
        (
            ["study", "options", "--config=nowhere.yaml"],
            "--config nowhere.yaml would be lost: study options has a file",
        ),
        (["study", "options", "--deepest"], "The study 'options' has no --deepest; give --full, or neither for its"),
    ],
)
def test_what_goes_wrong_ends_in_one_sentence(refused, tmp_path, arguments, sentence):
    place = [] if arguments[0] == "report" else ["--study-dir", tmp_path / "study"]
    assert sentence in refused(*arguments, *place)
    assert not (tmp_path / "study").exists()


def test_study_folder_that_is_a_file_is_refused(refused, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    search = ["--search", "activation", "--trials", 1, "--data-dir", tmp_path]
    assert refused(*search, "--study-dir", file) == f"{file} is no folder; give another --study-dir."
    assert f"Cannot make the study folder {file / 'study'}: " in refused(*search, "--study-dir", file / "study")
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--chief", "127.0.0.1"], "--chief takes HOST:PORT, as in node1:29400; received '127.0.0.1'."),
        (["--chief", ":7000"], "--chief takes HOST:PORT"),
        (["--chief", "host:0"], "--chief takes HOST:PORT"),
        (["--chief", "host:99999"], "--chief takes HOST:PORT"),
        (["--chief", "host:\u0667\u0660\u0660\u0660"], "--chief takes HOST:PORT"),
        (["--chief", "host:7000", "--name", "worker1"], "worker1 is a name of the chief's own workers; give another"),
        (["--chief", "host:7000", "--name", "node 7"], "A worker's name is up to 64 letters, digits, dots, dashes and"),
        (["--chief", "host:7000", "--wait", "0"], "chief.json (No such file or directory), which the chief writes for"),
    ],
)
def test_worker_that_cannot_work_is_told_why_at_once(refused, tmp_path, study, arguments, sentence):
    (tmp_path / "study.yaml").write_text(study().to_yaml(), encoding="utf-8")
    assert sentence in refused("work", tmp_path, *arguments)


def test_worker_of_a_study_without_a_chief_for_others_is_told_so(refused, tmp_path):
    open_access(tmp_path, None)
    sentence = f"The chief of {tmp_path} serves no other machines, or has ended; see its --chief."
    assert refused("work", tmp_path, "--wait", "0") == sentence


def test_unknown_field_of_a_space_is_named_with_its_file(refused, tmp_path):
    path = tmp_path / "described.yaml"
    path.write_text("{recipe: digits, space: {activaton: [relu]}, trials: 3}", encoding="utf-8")
    assert "Unknown field of the search space: 'activaton'. Did you mean 'activation'" in refused("--config", path)
    path.write_text("{recipe: digits, space: [activation, shortcut], trials: 3}", encoding="utf-8")
    assert "The search space must name fields, each with its choices or its range" in refused("--config", path)
    path.write_text("{recipe: digits, space: {activation: [relu]}, trails: 3}", encoding="utf-8")
    assert "Unknown setting of a study: 'trails'. Did you mean 'trials'" in refused("--config", path)


LIST_MODULES = """
import sys
from tuning.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit as exit:
    print("status", exit.code)
print("modules", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_help_lists_everything_and_imports_neither_keras_nor_tensorflow(tmp_path):
    script = tmp_path / "keras-resnet-tune"
    script.write_text(LIST_MODULES, encoding="utf-8")
    *page, status, modules = run_python(script, "--help", COLUMNS="200").stdout.splitlines()
    assert status == "status 0"
    assert not {"keras", "tensorflow", "keras_tuner", "scipy"} & set(modules.split())
    for field in (*map(name_of, FIELDS), *Settings.model_fields, "workers", "study_dir", "chief"):
        assert f"--{field.replace('_', '-')}" in "\n".join(page)
