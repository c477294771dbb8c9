"""The pages of rows: their numbers by hand, and that they are written from the rows and results as they stand."""

import re
import shlex
from pathlib import Path

import pytest

import cifar
import enter
import export_data
import picture
import rows
import table
from results import Result

ROWS, OF_RECIPE = rows.read_rows(), rows.read_rows(rows.INGREDIENTS)


def run(row: str, seed: int, error: float, seconds: float = 600.0, **fields) -> Result:
    """Make up a run."""
    usual = {"device": "NVIDIA H100", "precision": "tf32", "commit": "abc1234", "engine": "jax"}
    return Result(row=row, seed=seed, error=error, seconds=seconds, **{**usual, **fields})


# The mean of the first row is 8.4, its deviation sqrt((0.3² + 0² + 0.3²) / 2) = 0.3.
MADE_UP = [
    run("resnet20", 2, 8.1),
    run("resnet20", 0, 8.4, seconds=660.0),
    run("resnet20", 1, 8.7, seconds=540.0),
    run("resnet32", 0, 7.6, engine="training", precision="float32", device="CPU", commit="def5678"),
    run("resnet56", 0, 6.969),
    run("resnet110", 0, 6.5),
    run("resnet110", 1, 6.7),
    run("plain20", 0, 9.0),
    run("resnet110-constant_scaling-0-1", 0, 90.0),
    run("resnet110-exclusive_gating-0", 0, 12.0),
]


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the runs that are made up."""
    return table.render(ROWS, MADE_UP)


@pytest.fixture(scope="module")
def empty() -> str:
    """The page of no run at all."""
    return table.render(ROWS, [])


def cells(page: str, key: str, heading: str) -> list[str]:
    """Read the cells of a row in the table under a heading."""
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE)[1]
    return [cell.strip() for cell in re.search(rf"^\| `{key}` \|(.*)\|$", section, re.MULTILINE)[1].split("|")]


@pytest.mark.parametrize(
    ("heading", "key", "expected"),
    [
        ("Table 6", "resnet20", ["ResNet-20, option A", "8.75", "8.40 ± 0.30 (3)", "−0.35", "one run"]),
        ("Table 6", "resnet32", ["ResNet-32, option A", "7.51", "7.60 (1)", "+0.09", "one run"]),
        ("Table 6", "resnet56", ["ResNet-56, option A", "6.97", "6.97 (1)", "+0.00", "one run"]),
        ("Table 6", "resnet44", ["ResNet-44, option A", "7.17", "not run", "", "one run"]),
        # Where the paper gives its mean, that is what a mean is compared with.
        (
            "Table 6",
            "resnet110",
            ["ResNet-110, option A", "6.43 (mean 6.61 ± 0.16)", "6.60 ± 0.14 (2)", "−0.01", "best of 5 runs"],
        ),
        ("Table 2", "resnet110", ["ResNet-110, original", "6.61", "6.60 ± 0.14 (2)", "−0.01", "median of 5 runs"]),
        ("Figure 6", "plain20", ["plain-20", "a curve", "9.00 (1)", "", ""]),
        (
            "Table 1",
            "resnet110-constant_scaling-0-1",
            [
                "ResNet-110, constant scaling; shortcut 0; F 1",
                "fail (> 20)",
                "90.00 (1)",
                "fails too",
                "median of 5 runs",
            ],
        ),
        (
            "Table 3",
            "resnet164-cifar100",
            ["ResNet-164, original unit, CIFAR-100", "25.16", "not run", "", "median of 5 runs"],
        ),
        ("How it was measured", "resnet20", ["jax", "tf32", "NVIDIA H100", "0, 1, 2", "10.0", "abc1234"]),
        ("How it was measured", "resnet32", ["training", "float32", "CPU", "0", "10.0", "def5678"]),
    ],
)
def test_page_gives_the_numbers(page, heading, key, expected):
    assert cells(page, key, heading) == expected


def test_row_that_should_fail_and_does_not_is_named(page):
    assert cells(page, "resnet110-exclusive_gating-0", "Table 1")[3] == "does not fail"


def test_engines_and_precisions_are_not_mixed():
    page = table.render(ROWS, [*MADE_UP, run("resnet20", 0, 8.2, engine="training", precision="float32")])
    ours, difference = cells(page, "resnet20", "Table 6")[2:4]
    assert ours == "8.40 ± 0.30 (3), tf32, jax<br>8.20 (1), float32, training"
    assert difference == "−0.35<br>−0.55"
    assert page.count("| `resnet20` | jax | tf32 |") == page.count("| `resnet20` | training | float32 |") == 1


def test_page_counts_what_was_run(page, empty):
    assert len(ROWS) == 38
    assert "So far 7 of 38 rows are measured, by 10 of 142 runs." in page
    assert "So far none of the 38 rows is measured, and none of 142 runs made; the page fills" in empty
    assert "Nothing has been run yet." in empty and "Nothing has been run yet." not in page


def test_every_row_stands_in_each_of_its_tables(empty):
    for row in ROWS.values():
        for item in row.published:
            assert cells(empty, re.escape(row.key), item.table)[2] == "not run"


def test_result_of_an_unknown_row_raises_an_error():
    with pytest.raises(ValueError, match=r"Unknown row 'resnet21'\."):
        table.render(ROWS, [run("resnet21", 0, 8.0)])


@pytest.mark.parametrize("page", [table.REPRODUCTION, table.INGREDIENTS])
def test_page_is_written_from_the_rows_and_results_as_they_stand(page):
    written = (table.DOCS / page).read_text(encoding="utf-8")
    assert written == table.render(*table.read_pages()[page], page), "run `make reproduction`"
    assert (table.DOCS / "reproduction.png").is_file()


def test_commands_that_the_pages_show_are_understood(empty, untried):
    lines = re.findall(r"^python (?!-m ).*$", empty + untried, re.MULTILINE)
    shown = [shlex.split(line)[1:] for line in lines]
    parsers = {"enter": enter.read_options, "export_data": export_data.parse, "cifar": cifar.parse}
    names = [Path(script).stem for script, *_ in shown]
    assert set(names) == set(parsers) and all((table.DOCS.parent / script).is_file() for script, *_ in shown)
    for name, (_, *arguments) in zip(names, shown):
        options = parsers[name](arguments)
        assert set(getattr(options, "rows", ())) <= set(ROWS)
        assert getattr(options, "row", "resnet20") in {**ROWS, **OF_RECIPE}


def of_recipe(row: str, seed: int, error: float, seconds: float = 600.0, **fields) -> Result:
    """Make up a run of a row of ingredients."""
    usual = {"device": "some CPU", "precision": "mixed_bfloat16", "engine": "training"}
    return run(row, seed, error, seconds, **{**usual, **fields})


# The mean of `small` is an error of 6.3, so an accuracy of 93.7; the deviation is sqrt((0.2² + 0² + 0.2²) / 2) = 0.2.
INGREDIENTS = [
    of_recipe("cifar10-94", 0, 5.9),
    of_recipe("small", 0, 6.3),
    of_recipe("small", 1, 6.1, seconds=630.0),
    of_recipe("small", 2, 6.5, device="another CPU"),
    of_recipe("no_whitening", 0, 7.05, seconds=606.0),
    of_recipe("no_smoothing", 0, 6.25),
    of_recipe("sgd", 0, 6.3),
    of_recipe("strides", 0, 8.0),
    of_recipe("strides", 0, 7.0, precision="float32", seconds=1200.0, device="third CPU"),
    of_recipe("no_shortcut", 0, 9.0, precision="float32"),
]


@pytest.fixture(scope="module")
def untried() -> str:
    """The page of ingredients without a run."""
    return table.render(OF_RECIPE, [], table.INGREDIENTS)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("cifar10-94", ["the recipe as it stands", "94.10 (1)", "", "10.0", "some CPU"]),
        ("small", [OF_RECIPE["small"].change, "93.70 ± 0.20 (3)", "", "10.2", "some CPU, another CPU"]),
        ("no_whitening", [OF_RECIPE["no_whitening"].change, "92.95 (1)", "−0.75", "10.1", "some CPU"]),
        ("no_smoothing", ["without label smoothing", "93.75 (1)", "+0.05", "10.0", "some CPU"]),
        ("sgd", ["with Nesterov SGD instead of Muon", "93.70 (1)", "+0.00", "10.0", "some CPU"]),
        # By another precision `small` was not run, and there is nothing to compare with.
        (
            "strides",
            [
                OF_RECIPE["strides"].change,
                "92.00 (1), mixed_bfloat16, training<br>93.00 (1), float32, training",
                "−1.70<br>",
                "10.0<br>20.0",
                "some CPU<br>third CPU",
            ],
        ),
        ("no_shortcut", ["without shortcuts", "91.00 (1)", "", "10.0", "some CPU"]),
        ("no_flip", ["without flips in training", "not run", "", "", ""]),
    ],
)
def test_page_of_ingredients_gives_the_numbers(key, expected):
    page = table.render(OF_RECIPE, INGREDIENTS, table.INGREDIENTS)
    assert cells(page, key, "What each ingredient gives") == expected
    assert "So far 7 of 14 rows are measured, by 10 of 18 runs." in page


def test_page_of_ingredients_tells_how_each_row_was_measured():
    page = table.render(OF_RECIPE, INGREDIENTS, table.INGREDIENTS)
    assert cells(page, "small", "How it was measured") == ["training", "mixed_bfloat16", "0, 1, 2", "abc1234"]
    assert page.count("| `strides` | training | ") == 2


def test_page_of_ingredients_without_a_run_has_every_row(untried):
    assert untried.count("| not run |") == len(OF_RECIPE) == 14
    assert "So far none of the 14 rows is measured, and none of 18 runs made; the page fills" in untried
    assert "Accuracy is 100 minus the test error" in untried and "Nothing has been run yet." in untried
    assert re.findall(r"^python -m .*$", untried, re.MULTILINE) == [
        "python -m training --recipe cifar10-94 --data-dir DIR"
    ]


def test_each_page_has_the_results_of_its_rows(monkeypatch):
    monkeypatch.setattr("results.read", lambda: [*MADE_UP, *INGREDIENTS])
    pages = table.read_pages()
    assert pages == {"reproduction.md": (ROWS, MADE_UP), "cifar10-94.md": (OF_RECIPE, INGREDIENTS)}
    monkeypatch.setattr("results.read", lambda: [run("resnet21", 0, 8.0)])
    with pytest.raises(ValueError, match=r"Unknown row 'resnet21'\."):
        table.read_pages()


def points(axes) -> set[tuple[float, float, str]]:
    """Read the markers of a panel: error, row rounded down, and which marker."""
    lines = [container.lines[0] for container in axes.containers]
    return {(round(float(x), 2), int(y), line.get_marker()) for line in lines for x, y in zip(*line.get_data())}


def panels_of(found) -> dict:
    """Draw results, and find the panels by their titles."""
    figure = picture.draw(table.make_tables(ROWS, found))
    return {axes.get_title(loc="left"): axes for part in figure.subfigs for axes in part.axes}


def test_picture_shows_published_errors_and_ours():
    axes = panels_of(MADE_UP)["arXiv 1512.03385, Table 6: CIFAR-10"]
    published = {(8.75, 0, "D"), (7.51, 1, "D"), (7.17, 2, "D"), (6.97, 3, "D"), (6.61, 4, "D"), (7.93, 5, "D")}
    assert points(axes) == published | {(8.4, 0, "o"), (7.6, 1, "o"), (6.97, 3, "o"), (6.6, 4, "o")}
    (bar,) = (container for container in axes.containers if container.lines[0].get_xdata()[0] == pytest.approx(8.4))
    ((begin, end),) = (segment[:, 0] for segment in bar.lines[2][0].get_segments())
    assert (begin, end) == pytest.approx((8.1, 8.7))


def test_picture_writes_a_row_that_fails_at_the_end_of_its_axis():
    axes = panels_of(MADE_UP)["arXiv 1603.05027, Table 1: CIFAR-10, ResNet-110"]
    assert axes.get_xlim()[1] < 20
    assert [text.get_text() for text in axes.texts].count("90 %") == 1
    assert [text.get_text() for text in axes.texts].count("fail ▸") == 5
    assert (12.0, 4, "o") in points(axes)  # should fail, and does not


def test_picture_of_nothing_measured_has_every_published_number():
    panels = panels_of([])
    assert [title.split(": ")[0] for title in panels if "1512" in title] == ["arXiv 1512.03385, Table 6"]
    shown = sum(len(points(axes)) + len(axes.texts) for axes in panels.values())
    assert shown == sum(item.error is not None for row in ROWS.values() for item in row.published)
