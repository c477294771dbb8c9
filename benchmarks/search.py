"""How near searches of 60 trials come to the best point of four synthetic objectives, by the way they search.

    python benchmarks/search.py --repeats 30            search, and add a line a search to benchmarks/search.csv
    python benchmarks/search.py --methods random ours   only these
    python benchmarks/search.py --table                 docs/searches.md of the lines that are there

In each repeat every objective is drawn anew, and all methods search the same one. What is told of a search is its
simple regret: how far the true value of the trial with the best score is below that of the best point, in standard
deviations of the objective over the space. No network is trained. A search that stands in the file is not made again.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from machine import prepare_process
from options import described, in_a_sentence, positive
from reproduce.results import write_whole

if TYPE_CHECKING:
    import keras_tuner

    from tuning.study import Study

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "benchmarks/search.csv", ROOT / "docs/searches.md"
TRIALS, SHOWN = 60, (20, 40, 60)  # the numbers of trials after which the regret is told
DRAWS = 4000  # points of which the spread of an objective is that of the space
SAMPLES, FEWEST = 10_000, 5  # of the bootstrap; repeats from which on it tells something
COLUMNS = ("objective", "repeat", "method", *(f"after{trials}" for trials in SHOWN))

LETTERS = "abcdefghij"
LOG = {"low": 0.001, "high": 1.0, "scale": "log"}


class Objective(NamedTuple):
    """A function of a point, to be made as large as possible."""

    value: Callable[[Mapping[str, Any]], float]
    best: float  # its largest value
    deviation: Callable[[Mapping[str, Any]], float] = lambda values: 0.0  # of the noise of a single run


def away(value: float, center: float, low: float = 0.001, high: float = 1.0) -> float:
    """Give the squared distance from the best place of a logarithmic range, whose length is 1."""
    return (np.log(value / low) / np.log(high / low) - center) ** 2


def effects_of_options(generator: np.random.Generator) -> Objective:
    """Two choices without order, whose effects mostly add up, and a rate."""
    first, second = generator.normal(size=10), generator.normal(size=8)
    table = first[:, None] + second + 0.4 * generator.normal(size=(10, 8))
    center = generator.uniform(0.2, 0.8)

    def value(values: Mapping[str, Any]) -> float:
        pair = LETTERS.index(values["activation"]), LETTERS.index(values["shortcut"])
        return table[pair] - 6 * away(values["learning_rate"], center)

    return Objective(value, table.max())


def pairs_of_options(generator: np.random.Generator) -> Objective:
    """Two choices without order, of which pairs have effects of their own; a rate is best elsewhere for each option."""
    table = 0.7 * (generator.normal(size=6)[:, None] + generator.normal(size=5)) + generator.normal(size=(6, 5))
    centers, other = generator.uniform(0.1, 0.9, size=6), generator.uniform(0.2, 0.8)

    def value(values: Mapping[str, Any]) -> float:
        one, two = LETTERS.index(values["activation"]), LETTERS.index(values["shortcut"])
        losses = 8 * away(values["learning_rate"], centers[one]) + 3 * (values["momentum"] - other) ** 2
        return table[one, two] - losses

    return Objective(value, table.max())


def conditional(generator: np.random.Generator) -> Objective:
    """A choice whose options have rates of their own, two of them a decay too, beside another choice."""
    first, second = generator.normal(size=4), generator.normal(size=5)
    centers, decays = generator.uniform(0.1, 0.9, size=4), generator.uniform(0.1, 0.9, size=4)

    def value(values: Mapping[str, Any]) -> float:
        label = values["optimizer"]
        one, place = LETTERS.index(label), f"optimizer/{label}/"
        loss = 8 * away(values[f"{place}learning_rate"], centers[one])
        if f"{place}weight_decay" in values:
            loss += 4 * away(values[f"{place}weight_decay"], decays[one])
        return first[one] + second[LETTERS.index(values["activation"])] - loss

    return Objective(value, first.max() + second.max())


def noisy(generator: np.random.Generator) -> Objective:
    """A choice without order, a rate and a size, each score the mean of three runs of which some differ a lot."""
    first, center = generator.normal(size=8), generator.uniform(0.2, 0.8)
    sizes, deviations = generator.normal(scale=0.5, size=4), generator.uniform(0.1, 1.2, size=8)

    def value(values: Mapping[str, Any]) -> float:
        size = sizes[(64, 128, 256, 512).index(int(values["batch_size"]))]
        return first[LETTERS.index(values["activation"])] + size - 6 * away(values["learning_rate"], center)

    return Objective(value, first.max() + sizes.max(), lambda values: deviations[LETTERS.index(values["activation"])])


class Setting(NamedTuple):
    """An objective, by which function it is drawn, over which space."""

    draw: Callable[[np.random.Generator], Objective]
    space: Mapping[str, Any]
    runs: int = 1  # of which a score is the mean


def letters(count: int) -> list[str]:
    """Name options."""
    return list(LETTERS[:count])


OBJECTIVES = {
    "categories": Setting(
        effects_of_options, {"activation": letters(10), "shortcut": letters(8), "learning_rate": LOG}
    ),
    "pairs": Setting(
        pairs_of_options,
        {
            "activation": letters(6),
            "shortcut": letters(5),
            "learning_rate": LOG,
            "momentum": {"low": 0.0, "high": 1.0},
        },
    ),
    "conditional": Setting(
        conditional,
        {
            "activation": letters(5),
            "optimizer": [
                {"name": "a", "learning_rate": LOG},
                {"name": "b", "learning_rate": LOG, "weight_decay": LOG},
                {"name": "c", "learning_rate": LOG},
                {"name": "d", "learning_rate": LOG, "weight_decay": LOG},
            ],
        },
    ),
    "noisy": Setting(noisy, {"activation": letters(8), "learning_rate": LOG, "batch_size": [64, 128, 256, 512]}, 3),
}


@functools.cache
def synthetic() -> type[Study]:
    """Give the class of studies of points that are no networks."""
    from tuning.study import Study

    class Synthetic(Study):
        """A study with nothing wrong with any point."""

        def problem(self, fields: Mapping[str, Any]) -> str | None:
            """Find nothing wrong."""
            return None

    return Synthetic


def ours(tuner: str) -> Callable[[Study], keras_tuner.Oracle]:
    """Make the function that makes an oracle of this package."""

    def make(study: Study) -> keras_tuner.Oracle:
        from tuning.engine.tuners import make_oracle

        return make_oracle(study.model_copy(update={"tuner": tuner}), 1)

    return make


def keras_tuners_own(study: Study) -> keras_tuner.Oracle:
    """Make keras-tuner's Bayesian oracle as it comes."""
    import keras_tuner

    from tuning.engine.oracles import declare

    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        keras_tuner.Objective(study.objective, "max"),
        max_trials=study.trials,
        hyperparameters=declare(study.parsed_space),
        seed=study.seed + 1,
    )
    oracle.verbose = 0
    return oracle


METHODS = {
    "random": ("random", ours("random")),
    "keras-tuner": ("keras-tuner's Bayesian oracle", keras_tuners_own),
    "ours": ("`--tuner bayesian`", ours("bayesian")),
    "tpe": ("`--tuner tpe` (Optuna)", ours("tpe")),
}


def search(method: str, setting: Setting, repeat: int) -> list[float]:
    """Search once; give the regret after the numbers of trials that are shown."""
    objective = setting.draw(np.random.default_rng([repeat, 1]))
    study = synthetic()(trials=TRIALS, repeats=setting.runs, seed=repeat, fields={}, space=dict(setting.space))
    noise = np.random.default_rng([repeat, 2]).normal(size=(TRIALS, setting.runs))
    scores, regrets = [], []
    with tempfile.TemporaryDirectory() as folder:
        oracle = METHODS[method][1](study)
        oracle._set_project_dir(folder, "oracle")
        while (trial := oracle.create_trial("one")).status == "RUNNING":
            values = trial.hyperparameters.values
            true = objective.value(values)
            runs = true + objective.deviation(values) * noise[len(scores)]
            oracle.update_trial(trial.trial_id, metrics_of(runs, oracle))
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            scores.append(float(runs.mean()))
            regrets.append(objective.best - true)
    best = [regrets[int(np.argmax(scores[:trials]))] for trials in SHOWN]
    return [regret / spread(objective, study, repeat) for regret in best]


def metrics_of(runs: np.ndarray, oracle: keras_tuner.Oracle) -> dict[str, float]:
    """Report the scores of runs, to an oracle of this package their spread too."""
    from tuning.engine.oracles import SPREAD

    own = {SPREAD: float(runs.std(ddof=1))} if len(runs) > 1 and hasattr(oracle, "planned") else {}
    return {"accuracy": float(runs.mean()), **own}


def spread(objective: Objective, study: Study, repeat: int) -> float:
    """Give the standard deviation of an objective over its space."""
    from tuning.space.coding import Coding

    coding = Coding(study.parsed_space)
    points = coding.draw(np.random.default_rng([repeat, 3]), DRAWS)
    return float(np.std([objective.value(coding.values(row)) for row in points]))


def read_results(file: Path = RESULTS) -> list[dict[str, str]]:
    """Read the searches that were made."""
    if not file.is_file():
        return []
    with open(file, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def run(options: argparse.Namespace) -> None:
    """Make the searches that are not there yet, repeat by repeat."""
    done = {(row["objective"], int(row["repeat"]), row["method"]) for row in read_results(options.results)}
    add_line(options.results)  # what cannot be written is found before the first search
    for repeat in range(options.first, options.first + options.repeats):
        for name, method in itertools.product(options.objectives, options.methods):
            if (name, repeat, method) not in done:
                regrets = search(method, OBJECTIVES[name], repeat)
                add_line(options.results, name, repeat, method, *(f"{regret:.4f}" for regret in regrets))
                print(name, repeat, method, *(f"{regret:.3f}" for regret in regrets), flush=True)


def add_line(file: Path, *cells: object) -> None:
    """Add a line to the searches that were made, whole or not at all; to a new file their head first.

    An OSError says that it cannot be written.
    """
    import fcntl

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    try:
        with open(file, "ab", buffering=0) as lines:
            fcntl.flock(lines, fcntl.LOCK_EX)  # others may search other repeats at once
            end = lines.seek(0, os.SEEK_END)
            writer.writerows([*([] if end else [COLUMNS]), *([cells] if cells else [])])
            write_whole(lines, text.getvalue().encode())
    except OSError as error:
        raise OSError(f"Cannot add a line to {file}: {error.strerror}. Its lines before are untouched.") from error


def interval(numbers: np.ndarray) -> str:
    """Write a mean with its bootstrap interval of 95 %, which fewer than `FEWEST` numbers do not give."""
    if len(numbers) < FEWEST:
        return f"{numbers.mean():.2f}"
    drawn = np.random.default_rng(0).integers(len(numbers), size=(SAMPLES, len(numbers)))
    low, high = np.quantile(numbers[drawn].mean(axis=1), [0.025, 0.975])
    return f"{numbers.mean():.2f} ({low:.2f} to {high:.2f})"


def table(rows: list[dict[str, str]]) -> Iterator[str]:
    """Write a table an objective: the regret of each method, and how much more it is than that of ours.

    The difference is that of the repeats which both have searched.
    """
    for name, setting in OBJECTIVES.items():
        regrets: dict[str, dict[int, list[float]]] = {method: {} for method in METHODS}
        for row in rows:
            if row["objective"] == name:
                regrets[row["method"]][int(row["repeat"])] = [float(row[column]) for column in COLUMNS[3:]]
        yield f"## {name}\n\n{setting.draw.__doc__}\n"
        yield "| | repeats | " + " | ".join(f"after {trials}" for trials in SHOWN) + " | more than ours after 60 |"
        yield "|---|---|" + "---|" * (len(SHOWN) + 1)
        for method, found in regrets.items():
            if found:
                cells = [interval(column) for column in np.array(list(found.values())).T]
                both = sorted(found.keys() & regrets["ours"].keys()) if method != "ours" else []
                more = np.array([found[number][-1] - regrets["ours"][number][-1] for number in both])
                cells.append(interval(more) if both else "")
                yield f"| {METHODS[method][0]} | {len(found)} | {' | '.join(cells)} |"
        yield ""


HEAD = f"""# Ways to search, beside each other

Simple regret of searches of {TRIALS} trials on four synthetic objectives: how far the true value of the trial with the
best score is below that of the best point, in standard deviations of the objective over its space; less is better. In
each repeat the objective is drawn anew, and all methods search the same one. Means, with bootstrap intervals of 95 %
from {FEWEST} repeats on; the last column is the difference over the repeats which both have searched. Repeats 0 to 5
of `conditional` were looked at while the model of `--tuner bayesian` was made; all others were not.
Made by `python benchmarks/search.py`; no network is trained.
"""


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = described(__doc__)
    parser.add_argument("--repeats", type=positive, default=30)
    parser.add_argument("--first", type=int, default=0, help="number of the first repeat")
    present = [method for method in METHODS if method != "tpe" or find_spec("optuna")]
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=present)
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the searches that were made")
    parser.add_argument("--table", action="store_true", help="write the page instead")
    options = parser.parse_args(arguments)
    prepare_process()
    if options.table:
        from keras_resnet.files import write_text

        write_text(PAGE, HEAD + "\n" + "\n".join(table(read_results(options.results))))
    else:
        with threadpool_limits(1):  # of small matrices threads only wait for each other
            run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
