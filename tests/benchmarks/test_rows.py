"""The rows that are measured again, against the papers' tables and the networks."""

import csv
import functools
import re
import subprocess
import sys

import pytest
import yaml

import keras_resnet
from keras_resnet.architecture.figures import FIGURES
from keras_resnet.choices.shortcuts import parse_shortcut
from rows import FAIL, FOLDER, INGREDIENTS, Published, Row, make_row, pick, read_all, read_rows
from tests.shared import shared_file
from tests.training.helpers import write_yaml
from training.config import Network, RunConfig, load_recipe, make_config, read_fields
from training.config.fields import choice_of, flat_config
from training.networks import make_architecture
from training.whitening import check_whitening

ROWS, OF_RECIPE = read_rows(), read_rows(INGREDIENTS)
ITEMS = [(row, item) for row in ROWS.values() for item in row.published]


@functools.cache
def config_of(key: str) -> RunConfig:
    return read_all()[key].config()


def architecture_of(row: Row) -> keras_resnet.Architecture:
    config = config_of(row.key)
    return make_architecture(config.network, config.start)


def lines_of(paper: str, tables: tuple[str, ...]) -> list[dict[str, str]]:
    """Read the lines of published numbers of residual networks in some tables of a paper."""
    with open(shared_file("reference/published.csv"), encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["paper"] == paper and line["table"] in tables]
    return [line for line in lines if line["model"].startswith("ResNet") and line["metric"] != "test error % mean"]


def words_of(line: dict[str, str]) -> str:
    """Write the setting of a published number as a row does."""
    setting = line["setting"].removeprefix("with data augmentation; ").replace("shortcut=", "shortcut ")
    bias = re.search(r"init b_g = [-\d to]*\d", line["note"])
    skip = re.search(r" \(1-layer skip\)", line["model"])
    return setting.replace("F=", "F ") + (f"; {bias[0]}" if bias else "") + (skip[0] if skip else "")


def key_of(row: Row, item: Published) -> tuple[str, str, str, str, str]:
    """Name a published number: paper, table, data set, depth and setting."""
    config = config_of(row.key)
    # Two rows stand for one line of the paper, which has a range of biases.
    setting = re.sub(r"b_g = (0|-5)$", "b_g = 0 to -5", item.setting) if item.error == FAIL else item.setting
    depth = architecture_of(row).depth
    return item.paper, item.table, config.data.dataset, str(depth), setting


@pytest.mark.parametrize(("paper", "tables"), [("1512.03385", ("6",)), ("1603.05027", ("1", "2", "3"))])
def test_every_line_of_the_tables_is_a_row_with_its_number(paper, tables):
    published = {
        (paper, f"Table {line['table']}", line["dataset"].lower().replace("-", ""), line["layers"], words_of(line)): (
            line["value"] if line["value"] == FAIL else float(line["value"])
        )
        for line in lines_of(paper, tables)
    }
    ours = {key_of(row, item): item.error for row, item in ITEMS if item.paper == paper and "Table" in item.table}
    assert ours == published
    assert len(published) == {"1512.03385": 6, "1603.05027": 11 + 10 + 12}[paper]


def test_protocols_and_means_are_the_papers():
    lines = [*lines_of("1512.03385", ("6",)), *lines_of("1603.05027", ("4",))]
    means = {
        (float(line["value"]), *map(float, found))
        for line in lines
        for found in re.findall(r"mean ([\d.]+) std ([\d.]+)", line["note"])
        if "batch 64" not in line["setting"]
    }
    assert {(item.error, item.mean, item.deviation) for _, item in ITEMS if item.mean is not None} == means
    protocols = {(item.paper, item.protocol) for _, item in ITEMS if item.error is not None}
    assert protocols == {
        ("1512.03385", "one run"),
        ("1512.03385", "best of 5 runs"),  # ResNet-110
        ("1603.05027", "median of 5 runs"),
    }


def test_parameters_are_the_published():
    for line in lines_of("1512.03385", ("6",)):
        (row,) = (row for row, item in ITEMS if item.table == "Table 6" and row.key == f"resnet{line['layers']}")
        millions = float(line["params"].removesuffix("M"))
        digits = len(line["params"].partition(".")[2]) - 1
        assert round(FIGURES[row.network].parameters / 1e6, digits) == millions


def test_plain_networks_are_those_of_the_figure_which_prints_no_number():
    plain = {key: row for key, row in ROWS.items() if any(item.table == "Figure 6" for item in row.published)}
    assert list(plain) == ["plain20", "plain32", "plain44", "plain56"]
    assert all(architecture_of(row).shortcut == "none" for row in plain.values())
    assert {item.error for row in plain.values() for item in row.published} == {None}


def test_no_network_is_trained_twice_by_the_same_recipe():
    configs = [config_of(key).model_dump_json() for key in ROWS]
    assert len(set(configs)) == len(configs)


@pytest.mark.parametrize("key", ROWS)
def test_network_has_the_depth_of_its_name_with_its_choices(key):
    assert architecture_of(ROWS[key]).depth == int(re.search(r"\d+", ROWS[key].network)[0])


def kind_of(row: Row) -> tuple[str, str, str]:
    """Name what of a network decides which layers stand in its units."""
    architecture = architecture_of(row)
    return architecture.unit, parse_shortcut(architecture.shortcut)[0], architecture.placement


@pytest.mark.slow
@pytest.mark.parametrize("row", {kind_of(row): row for row in ROWS.values()}.values(), ids=lambda row: row.key)
def test_network_of_each_kind_is_built(row):
    small = architecture_of(row).replace(blocks=(1, 1, 1))
    assert keras_resnet.ResNet(small, input_shape=(32, 32, 3), classes=10).output_shape == (None, 10)


def test_recipe_of_the_second_paper_is_that_of_the_first_with_a_warmup():
    # arXiv 1603.05027, appendix: 0.01 in the first 400 iterations; all else as in the first paper.
    second = make_config(read_fields(FOLDER / "he2016.yaml"))
    first = make_config(load_recipe("cifar10"), base={"network": second.network.name})
    expected = make_config({"network": second.network.name, "schedule.warmup_steps": 400}, base=load_recipe("cifar10"))
    assert second == expected != first
    assert (second.schedule["warmup_steps"], second.optimizer["learning_rate"]) == (400, 0.1)


def test_fields_of_a_run_are_set_over_those_of_its_row():
    config = ROWS["resnet110-dropout"].config(seed=4, iterations=100, schedule={"warmup_steps": 10})
    assert (config.seed, config.iterations, config.schedule["warmup_steps"]) == (4, 100, 10)
    assert config.network.shortcut == {"name": "dropout", "rate": 0.5}
    assert ROWS["resnet164-cifar100"].config().data.dataset == "cifar100"


def test_mean_of_runs_is_compared_with_the_papers_mean_where_it_has_one():
    references = {item.table: item.reference for item in ROWS["resnet110"].published}
    assert references == {"Table 6": 6.61, "Table 1": 6.61, "Table 2": 6.61, "Table 3": 6.61}
    assert ROWS["resnet20"].published[0].reference == 8.75
    assert ROWS["plain20"].published[0].reference is ROWS["resnet110-dropout"].published[0].reference is None


# What of a configuration each row of ingredients changes in its base, and into what; networks are compared below.
RECIPE = make_config(load_recipe("cifar10-94"))
CHANGES = {
    "cifar10-94": {},
    "small": {"epochs": 4},
    "no_whitening": {"start.whiten": None, "start.freeze": ()},
    "sgd": {"optimizer": "sgd"},
    "head_at_full_rate": {"optimizer": "muon"},
    "fixed_scales": {"optimizer": "muon"},
    "cosine": {"schedule": "cosine"},
    "no_smoothing": {"loss": "cross_entropy"},
    "random_flip": {"augmentation": ["pad_crop", "flip"]},
    "no_flip": {"augmentation": ["pad_crop"]},
    "no_shifts": {"augmentation": ["flip"]},
    "strides": {},
    "no_shortcut": {},
    "paper_network": {},
}


def field_of(config: RunConfig, path: str):
    """Give a field as `CHANGES` does, of a choice its name."""
    flat = flat_config(config)
    if path == "augmentation":
        return [choice["name"] for choice in flat[path]]
    return flat.get(path, flat.get(f"{path}.name"))


def test_rows_of_ingredients_are_those_of_one_recipe():
    assert list(OF_RECIPE) == list(CHANGES)
    assert {row.recipe for row in OF_RECIPE.values()} == {"cifar10-94"}
    assert [row.seeds for row in OF_RECIPE.values()] == [3, 3] + 12 * [1]
    assert [row.base for row in OF_RECIPE.values()] == ["", ""] + 12 * ["small"]
    assert len({row.change for row in OF_RECIPE.values()}) == len(OF_RECIPE)
    assert config_of("cifar10-94") == RECIPE


@pytest.mark.parametrize("key", CHANGES)
def test_row_of_ingredients_changes_what_it_says_and_nothing_else(key):
    before, now = flat_config(config_of(OF_RECIPE[key].base or "cifar10-94")), flat_config(config_of(key))
    paths = {path for path in before | now if before.get(path) != now.get(path) and not path.startswith("network.")}
    changed = {choice_of(path) or path for path in paths}
    assert {path: field_of(config_of(key), path) for path in changed} == CHANGES[key]


def test_parameters_of_changed_ingredients():
    assert config_of("no_smoothing").loss["label_smoothing"] == 0
    assert [config_of(key).augmentation[-1]["alternating"] for key in ("small", "random_flip")] == [True, False]
    before, head, scales = (config_of(key).optimizer for key in ("small", "head_at_full_rate", "fixed_scales"))
    assert head == {**before, "head_share": 1, "weight_decay": pytest.approx(before["weight_decay"] * 0.02)}
    assert scales == {**before, "scale_share": 0, "offset_share": 90}
    optimizer = config_of("sgd").optimizer
    assert (optimizer["nesterov"], optimizer["decayed"], optimizer["scaling"]) == (True, "kernels", "linear")
    # arXiv 1512.03385, section 4.2: 0.1 for 128 images.
    assert (optimizer["learning_rate"], optimizer["reference_batch"]) == (0.1, 128)


SMALL = architecture_of(OF_RECIPE["cifar10-94"]).replace(blocks=(1, 1, 1), downsampling="max_pool")


@pytest.mark.parametrize(
    ("key", "architecture"),
    [
        ("cifar10-94", make_architecture(RECIPE.network, RECIPE.start)),
        ("small", SMALL),
        ("strides", SMALL.replace(downsampling="stride")),
        ("no_shortcut", SMALL.replace(shortcut="none")),
        ("paper_network", keras_resnet.get_architecture("ResNet20")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_network_of_ingredients_is_the_recipes_with_a_change_or_the_papers_and_can_whiten(key, architecture):
    assert architecture_of(OF_RECIPE[key]) == architecture
    check_whitening(keras_resnet.ResNet(architecture, input_shape=(32, 32, 3), classes=10), config_of(key).start)


def test_rows_lay_their_network_over_that_of_the_recipe_or_put_it_in_its_place(tmp_path):
    network = {"name": "ResNet8", "activation": "silu", "choices": {"stem_width": 8, "shortcut": "C"}}
    recipe = str(write_yaml(tmp_path / "recipe.yaml", network=network, epochs=1))
    one = {"recipe": recipe, "change": "a change"}
    assert Row("one", **one).config().network == Network(**network)
    other = Row("other", **one, choices={"shortcut": "none", "widths": (4, 8, 16)}).config().network
    choices = {"stem_width": 8, "widths": (4, 8, 16)}
    assert other == Network(name="ResNet8", activation="silu", shortcut="none", choices=choices)
    assert Row("third", **one, network="ResNet14").config().network == Network(name="ResNet14")


def test_rows_change_augmentations_where_they_stand(tmp_path):
    listed = [{"name": "pad_crop", "pixels": 3}, "flip", {"name": "cutout", "side": 4}]
    recipe = str(write_yaml(tmp_path / "recipe.yaml", augmentation=listed, epochs=1))
    changed = {"cutout": None, "pad_crop": {"border": "reflect"}}
    row = Row("one", recipe, change="a change", augmentations=changed)
    expected = [{"name": "pad_crop", "pixels": 3, "border": "reflect"}, {"name": "flip"}]
    assert row.fields() == {"augmentation": expected}
    with pytest.raises(ValueError, match=r"row two: Unknown augmentation of the recipe 'flop'. Did you mean 'flip'\?"):
        Row("two", recipe, change="a change", augmentations={"flop": None}).config()


def test_row_is_laid_over_its_base_field_by_field(tmp_path):
    base = {
        "recipe": "cifar10",
        "change": "none",
        "choices": {"blocks": [1, 1, 1], "stem_width": 8},
        "augmentations": {"flip": {"alternating": True}},
        "overrides": {"epochs": 4},
        "seeds": 3,
    }
    change = {"base": "base", "change": "b", "choices": {"stem_width": 16}, "augmentations": {"pad_crop": None}}
    other = {"base": "other", "change": "c", "overrides": {"seed": 1, "epochs": 5}, "seeds": 2}
    rows = read_rows(
        write_yaml(tmp_path / "rows.yaml", base=base, other=change, third=other, paper={**other, "network": "ResNet8"})
    )
    laid = rows["other"]
    assert (laid.recipe, laid.network, laid.seeds, laid.overrides) == ("cifar10", None, 1, {"epochs": 4})
    assert laid.choices == {"blocks": [1, 1, 1], "stem_width": 16}
    assert laid.augmentations == {"flip": {"alternating": True}, "pad_crop": None}
    assert (rows["third"].choices, rows["third"].overrides) == (laid.choices, {"seed": 1, "epochs": 5})
    assert (rows["paper"].network, rows["paper"].choices, rows["paper"].augmentations) == (
        "ResNet8",
        {},
        laid.augmentations,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base": "bose", "change": "b"}, "row 'other': Unknown row 'bose'. Did you mean 'base'?"),
        ({"base": "other", "change": "b"}, "row 'other': Unknown row 'other'."),
        ({"base": ["base"], "change": "b"}, "row 'other': base must be the key of a row above; received ['base']."),
        (
            {"base": "base", "change": "b", "recipe": "cifar100"},
            "row 'other': leave recipe out, it is that of base, 'cifar10'; received 'cifar100'.",
        ),
        (
            {"base": "base", "change": "b", "choices": ["A"]},
            "row 'other': choices must be a mapping of fields; received ['A'].",
        ),
    ],
)
def test_row_with_a_bad_base_raises_an_error(tmp_path, fields, message):
    path = write_yaml(tmp_path / "rows.yaml", base={"recipe": "cifar10", "change": "a"}, other=fields)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_rows(path)


def test_rows_are_read_without_a_backend():
    code = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import results, rows; rows.read_all(); results.read();"
        "print([name for name in ('keras', 'tensorflow', 'jax', 'training') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


GOOD = {
    "network": "ResNet20",
    "recipe": "cifar10",
    "published": [{"paper": "1512.03385", "table": "Table 6", "setting": "option A", "error": 8.75}],
}
ITEM = GOOD["published"][0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {**GOOD, "recipes": "cifar10"},
            "row 'one': Unknown field 'recipes'. Did you mean 'recipe'? Allowed: ",
        ),
        ({"network": "ResNet20", "published": [ITEM]}, "row 'one': recipe must be given."),
        ("ResNet20", "row 'one': give a mapping of fields; received 'ResNet20'."),
        ({**GOOD, "published": 8.75}, "row 'one': published must be a list, one item for each table; received 8.75."),
        ({**GOOD, "published": []}, "row 'one': published must be a list, one item for each table; received []."),
        ({**GOOD, "published": [{**ITEM, "paper": 1512.03385}]}, "paper must be a text; received 1512.03385."),
        (
            {**GOOD, "published": [{**ITEM, "error": "bad"}]},
            "error must be a number, 'fail' or nothing; received",
        ),
        ({**GOOD, "published": [{**ITEM, "mean": "6.61"}]}, "mean must be a number or nothing; received '6.61'."),
        ({**GOOD, "published": [{**ITEM, "errors": 1}]}, "Unknown field 'errors'. Did you mean 'error'?"),
        ({"network": "ResNet20", "recipe": "cifar10"}, "or change, of a row of ingredients; received neither."),
        ({**GOOD, "change": "without shifts"}, "give either published, of a row of a paper, or change, of a row of"),
        ({"recipe": "cifar10", "change": 3}, "change must be a text; received 3."),
        ({**GOOD, "network": 20}, "network must be a text or nothing; received 20."),
        ({**GOOD, "network": None}, "network must be given of a row of a paper."),
        ({**GOOD, "augmentations": ["flip"]}, "augmentations must be a mapping of fields; received ['flip']."),
        (
            {**GOOD, "augmentations": {"flip": False}},
            "augmentations.flip must be a mapping of parameters or nothing; received False.",
        ),
        ({**GOOD, "seeds": True}, "seeds must be a whole number from 1; received True."),
        ({**GOOD, "seeds": 0}, "seeds must be a whole number from 1; received 0."),
        ({**GOOD, "choices": ["A"]}, "choices must be a mapping of fields; received ['A']."),
    ],
)
def test_bad_row_raises_an_error(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_row("one", fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recipe": "cifar11"}, "Unknown recipe 'cifar11'. Did you mean 'cifar10'?"),
        ({"recipe": "he2017.yaml"}, "he2017.yaml': No such file or directory."),
        ({"overrides": {"epoch": 3}}, "row one: Unknown field 'epoch'. Did you mean 'epochs'?"),
        ({"overrides": {"epochs": 0}}, "row one: epochs: Input should be greater than or equal to 1; received 0."),
    ],
)
def test_bad_recipe_or_field_raises_an_error_that_names_the_row(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_row("one", {**GOOD, **fields}).config()


def test_file_that_is_no_mapping_raises_an_error(tmp_path):
    path = tmp_path / "rows.yaml"
    path.write_text(yaml.safe_dump(["resnet20"]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"rows.yaml must hold a mapping from the keys of rows to their fields."):
        read_rows(path)


def test_file_that_is_no_yaml_raises_an_error(tmp_path):
    path = tmp_path / "rows.yaml"
    path.write_text("resnet20: {network: [", encoding="utf-8")
    with pytest.raises(ValueError, match=r"rows.yaml is not valid YAML: "):
        read_rows(path)


def test_rows_of_all_files_have_keys_of_their_own(tmp_path):
    assert list(read_all()) == [*ROWS, *OF_RECIPE]
    paths = [write_yaml(tmp_path / f"{name}.yaml", one=GOOD, **{name: GOOD}) for name in ("first", "second")]
    with pytest.raises(ValueError, match=r"second.yaml has a row 'one', as another file has; give it another key\."):
        read_all(paths)


def test_unknown_row_raises_an_error_that_names_the_nearest():
    assert pick(ROWS, "resnet20") is ROWS["resnet20"]
    with pytest.raises(ValueError, match=r"Unknown row 'resnet110-dropuot'. Did you mean 'resnet110-dropout'\?"):
        pick(ROWS, "resnet110-dropuot")
