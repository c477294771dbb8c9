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
from rows import FAIL, FOLDER, Published, Row, make_row, pick, read_rows
from tests.shared import shared_file
from training.config import RunConfig, load_recipe, make_config, read_fields
from training.networks import make_architecture

ROWS = read_rows()
ITEMS = [(row, item) for row in ROWS.values() for item in row.published]


@functools.cache
def config_of(key: str) -> RunConfig:
    return ROWS[key].config()


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


def test_rows_are_read_without_a_backend():
    code = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import results, rows; rows.read_rows(); results.read();"
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


def test_unknown_row_raises_an_error_that_names_the_nearest():
    assert pick(ROWS, "resnet20") is ROWS["resnet20"]
    with pytest.raises(ValueError, match=r"Unknown row 'resnet110-dropuot'. Did you mean 'resnet110-dropout'\?"):
        pick(ROWS, "resnet110-dropuot")
