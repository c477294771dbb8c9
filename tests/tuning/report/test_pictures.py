"""What is drawn, and that every size and kind of study can be drawn."""

import warnings

import numpy as np
import pytest

from tests.tuning.helpers import fill, write_study, write_trial
from tuning.report.effects import Effect, Level
from tuning.report.findings import Findings
from tuning.report.parallel_coordinates import draw_parallel, make_axes
from tuning.report.pictures import (
    draw_cost,
    draw_curves,
    draw_effects,
    draw_pair,
    mean_curve,
    pareto_front,
    score_ends,
    to_png,
)
from tuning.report.statistics import Cell, PairTable
from tuning.report.wording import Measure
from tuning.results import read_results

SPACE = {
    "activation": ["relu", "gelu", {"name": "trainable_swish", "beta": {"low": 0.5, "high": 2.0}}],
    "shortcut": ["A", "B"],
    "optimizer": [
        {"name": "sgd", "learning_rate": {"low": 0.01, "high": 1.0, "scale": "log"}},
        {"name": "adamw", "learning_rate": {"low": 0.001, "high": 0.01, "scale": "log"}},
    ],
}


def sgd(activation: str, shortcut: str, rate: float) -> dict:
    point = {"activation": activation, "shortcut": shortcut, "optimizer": "sgd", "optimizer/sgd/learning_rate": rate}
    return point | ({"activation/trainable_swish/beta": 1.0} if activation == "trainable_swish" else {})


POINTS = [sgd("relu", "A", 0.01), sgd("gelu", "B", 0.1), sgd("trainable_swish", "A", 1.0), sgd("relu", "B", 0.5)]
ADAMW = {"activation": "relu", "shortcut": "A", "optimizer": "adamw", "optimizer/adamw/learning_rate": 0.001}
TABLE = PairTable(
    "activation", "shortcut", ("gelu", "relu"), ("B", "A"),
    {("gelu", "B"): Cell(0.91, 0.01, 3), ("gelu", "A"): Cell(0.9, None, 1), ("relu", "A"): Cell(0.88, 0.02, 3)},
)  # fmt: skip


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_heat_map_shows_every_cell():
    axes = draw_pair(TABLE, Measure("accuracy")).axes[0]
    assert axes.images[0].get_array().filled(-1) == pytest.approx(np.array([[91.0, 90.0], [-1, 88.0]]))
    assert texts(axes) == ["91.00", "± 1.00", "90.00", "88.00", "± 2.00"]
    assert [patch.get_xy() for patch in axes.patches] == [(-0.5, 0.5)]  # of relu with B, which was not tried
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gelu", "relu"]


def test_outliers_do_not_stretch_the_scale():
    assert score_ends(np.array([40.0, 89, 90, 91, 92]), Measure("accuracy")) == (86.0, 92.0)
    assert score_ends(np.array([0.1, 0.2, 0.3, 0.4, 9.0]), Measure("loss")) == pytest.approx((0.1, 0.7))
    assert score_ends(np.array([50.0, np.nan]), Measure("accuracy")) == (49.5, 50.5)


def test_curves_are_means_over_seeds(tmp_path):
    study = write_study(tmp_path, {"activation": ["relu", "gelu"]})
    write_trial(tmp_path, study, "0", {"activation": "relu"}, [0.8, 0.9], epochs=3)
    write_trial(tmp_path, study, "1", {"activation": "gelu"}, [None], epochs=2, status="failed")
    write_trial(tmp_path, study, "2", {"activation": "gelu"}, [None], epochs=0, status="killed")
    results = read_results(tmp_path)
    curve = mean_curve(results.trials[0], "accuracy")
    # By hand: 0.1 + 0.5 * 0.7 and 0.1 + 0.5 * 0.8 in the first epoch, the scores in the last.
    assert curve[[0, -1]] == pytest.approx(np.array([[1, 100 - 47.5], [3, 15]]))
    assert len(mean_curve(results.trials[2], "accuracy")) == 0
    axes = draw_curves(results, results.ranked()).axes[0]
    others, leader = axes.lines
    assert leader.get_ydata() == pytest.approx(curve[:, 1])
    assert (others.get_label(), leader.get_label()) == ("all others", "1  activation=relu")


def test_curves_of_no_epoch_are_not_drawn(tmp_path):
    study = write_study(tmp_path, {"activation": ["relu", "gelu"]})
    write_trial(tmp_path, study, "0", {"activation": "relu"}, [None], epochs=0, status="killed")
    assert draw_curves(read_results(tmp_path), []) is None


def test_front_is_what_nothing_beats():
    costs, goodness = np.array([3.0, 1, 2, 4, 1]), np.array([0.7, 0.5, 0.4, 0.7, 0.6])
    assert list(pareto_front(costs, goodness)) == [4, 0]


def test_cost_is_of_one_run(tmp_path):
    study = write_study(tmp_path, {"activation": ["relu", "gelu"]})
    write_trial(tmp_path, study, "0", {"activation": "relu"}, [0.8, 0.9], parameters=7, multiply_adds=9)
    (trial,) = read_results(tmp_path).trials
    assert trial.cost == {"parameters": 7, "multiply_adds": 9, "seconds": 10.5}


def test_parameters_of_one_name_share_an_axis(tmp_path):
    study = write_study(tmp_path, SPACE)
    results = fill(tmp_path, study, [*POINTS, ADAMW], lambda values: len(values) / 10, noise=0.0)
    axes = make_axes(results, list(results.trials))
    titles = ["activation", "shortcut", "optimizer", "learning_rate\nof optimizer", "validation\naccuracy, %"]
    assert [axis.title for axis in axes] == titles
    # The rates 0.01, 0.1, 1, 0.5 and 0.001 on one logarithmic axis from 0.001 to 1.
    assert axes[3].places == pytest.approx([1 / 3, 2 / 3, 1, 1 + np.log10(0.5) / 3, 0])
    assert [label for _, label in axes[0].ticks] == ["trainable_swish", "gelu", "relu"]


def test_parameters_that_do_not_apply_have_a_place(tmp_path):
    space = {"optimizer": [{"name": "sgd", "momentum": {"low": 0.0, "high": 0.5}}, "adamw"]}
    study = write_study(tmp_path, {**space, "activation": ["relu"]}, objective="loss")
    points = [{"optimizer": "sgd", "optimizer/sgd/momentum": share} for share in (0.0, 0.5)] + [{"optimizer": "adamw"}]
    points = [{**point, "activation": "relu"} for point in points]
    results = fill(tmp_path, study, points, lambda values: len(values) / 10, noise=0.0, seeds=1)
    _, momentum, loss = make_axes(results, list(results.trials))
    assert momentum.ticks[0] == (0.0, "does not apply")
    assert momentum.places == pytest.approx([0.13, 1.0, 0.0])
    assert loss.places == pytest.approx([0, 0, 1])  # the lowest loss on top


def test_effects_beyond_the_scale_are_numbers_at_its_edge():
    levels = [Level(str(score), 3, score, score, score - 0.01, score + 0.01) for score in (0.9, 0.91, 0.92, 0.2)]
    open_ = Level("open", 1, 0.9)
    axes = draw_effects([Effect("a", (*levels, open_), 0.01, 0.5)], Measure("accuracy")).axes[0]
    assert texts(axes) == ["◂ 20"]
    marks = [(line.get_xdata()[0], line.get_markerfacecolor()) for line in axes.lines if line.get_marker() == "o"]
    assert marks[-1] == (pytest.approx(90), "none")
    assert [place for place, _ in marks[:-1]] == pytest.approx([90, 91, 92])


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["accuracy", "loss"])
@pytest.mark.parametrize(
    ("space", "count"),
    [
        (SPACE, 5),
        (SPACE, 30),
        ({"activation": ["relu"]}, 1),
        ({"activation": ["relu", "a_long_label_" * 9]}, 2),
        ({"learning_rate": {"low": 0.01, "high": 1.0, "scale": "log"}}, 7),
    ],
)
def test_every_study_can_be_drawn(tmp_path, objective, space, count):
    study = write_study(tmp_path, space, objective=objective)
    generator = np.random.default_rng(3)
    rates = np.exp(generator.uniform(np.log(0.01), 0, count))
    if "optimizer" in space:
        names = [("relu", "gelu", "trainable_swish")[place] for place in generator.integers(3, size=count)]
        points = [sgd(name, "AB"[place % 2], float(rate)) for place, (name, rate) in enumerate(zip(names, rates))]
    elif "learning_rate" in space:
        points = [{"learning_rate": float(rate)} for rate in rates]
    else:
        points = [{"activation": label} for label in space["activation"]]
    scores = iter(generator.uniform(0.2, 0.9, count))
    found = Findings(fill(tmp_path, study, points, lambda _: next(scores), noise=0.01))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = [draw_curves(found.results, found.ranked), draw_parallel(found.results, found.comparable)]
        figures.append(draw_cost(found.results, found.comparable))
        figures += [draw_pair(found.pair, found.measure)] if found.pair else []
        figures += [draw_effects(found.effects, found.measure)] if found.effects else []
        images = [to_png(figure) for figure in figures]
    assert all(image.startswith(b"\x89PNG") for image in images)
