"""Several runs tested together, on the command line."""

import json

import numpy as np
import pytest

from training.data.datasets import open_source
from training.evaluation.candidates import Protocol, open_run
from training.evaluation.ensembles import check_same_images, evaluate_together
from training.evaluation.figures import summarize_all
from training.evaluation.scores import Scores
from training.run import train
from training.run_folder import RunFolder

OTHER = Protocol(
    name="b",
    dataset="digits",
    data_dir=None,
    split="test",
    held_out=None,
    classes=("0", "1"),
    views={"name": "single"},
)


@pytest.fixture(scope="module")
def second(tiny, tmp_path_factory) -> RunFolder:
    """Another run, whose input contract differs: images of another size."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "second")
    train(tiny(epochs=1, seed=1, image_size=12), folder)
    return folder


@pytest.mark.slow
def test_ensemble_of_runs_is_the_mean_of_their_probabilities(said, trained, second, tmp_path):
    runs = (trained.folder.path, second.path)
    results = json.loads(said("evaluate", *runs, "--to", tmp_path / "both", "--json"))
    own = []
    for run in runs:
        candidate = open_run(RunFolder(run), {})
        prepared = candidate.preprocessing(
            np.array([image.numpy() for image, _ in open_source(trained.config.data).examples("test")])
        )
        own.append(candidate.model.predict(prepared, verbose=0))
    labels = np.array([int(label) for _, label in open_source(trained.config.data).examples("test")])
    expected = [summarize_all(Scores(labels, rows)) for rows in (*own, (own[0] + own[1]) / 2)]
    assert [one["run"] for one in results["runs"]] == [str(run) for run in runs]
    for actual, figures in zip((*results["runs"], results["ensemble"]), expected, strict=True):
        assert {name: actual[name] for name in figures} == pytest.approx(figures, rel=1e-4)
    assert (results["split"], results["examples"], results["views"]) == ("test", 364, "single")
    assert json.loads((tmp_path / "both" / "evaluation.json").read_text(encoding="utf-8")) == results
    printed = said("evaluate", *runs).splitlines()
    assert f"  accuracy {results['runs'][1]['accuracy']:.4f}" in printed[printed.index(str(second.path)) :]
    assert f"  accuracy {results['ensemble']['accuracy']:.4f}" in printed[printed.index("ensemble") :]


@pytest.mark.slow
def test_all_figures_of_a_run_are_written(said, trained, tmp_path):
    results = json.loads(said("evaluate", trained.folder.path, "--to", tmp_path, "--json"))
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
    assert results["loss"] == pytest.approx(trained.results["loss"], rel=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {
        "evaluation.json",
        "classes.csv",
        "confusion.csv",
        "confusion.png",
        "reliability.png",
        "mistakes.png",
    }


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"dataset": "cifar10"}, "dataset 'cifar10' instead of 'digits'"),
        ({"split": "train"}, "split 'train' instead of 'test'"),
        ({"held_out": (0.1, 3)}, r"held_out \(0.1, 3\) instead of None"),
        ({"classes": ("1", "0")}, r"classes \('1', '0'\) instead of \('0', '1'\)"),
        ({"views": {"name": "flip"}}, "views {'name': 'flip'} instead of {'name': 'single'}"),
    ],
)
def test_runs_that_are_tested_otherwise_are_refused(changes, difference):
    check_same_images(OTHER, OTHER._replace(name="a"))
    with pytest.raises(ValueError, match=f"^a is tested otherwise than b: {difference}. An ensemble needs the same"):
        check_same_images(OTHER, OTHER._replace(name="a", **changes))


def test_folder_that_cannot_be_made_is_named_before_a_network_is_tested(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"^Cannot make the folder .*/file: File exists\.$"):
        evaluate_together(iter(()), to=tmp_path / "file")


def test_evaluation_of_nothing_is_refused(refused):
    assert refused("evaluate") == "No run is given: name run folders, or weights with --dataset."
