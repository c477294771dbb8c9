"""The benchmark of the input pipeline: what it reads, and what it says of it."""

import sys
from pathlib import Path

import pytest

from tests.shared import ROOT


@pytest.fixture
def pipeline(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import pipeline

    yield pipeline
    sys.modules.pop("pipeline")


def test_files_are_made_once_and_read_beside_bare_decoding(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "FILES", 40)
    cases = pipeline.cases_of(224, tmp_path)
    for name in (pipeline.BARE, "image-folder"):
        images, labels = next(iter(cases[name]()))
        assert images.shape == (32, 224, 224, 3) and set(labels.numpy()) <= set(range(10))
    assert len([*Path(tmp_path).rglob("*.jpg")]) == 40


def test_table_has_the_medians(pipeline):
    (line,) = pipeline.table({"rotate": [(1000.0, 3.0), (3000.0, 1.0), (2000.0, 2.5)]})
    assert line.split() == ["rotate", "2,000", "(1,000", "to", "3,000)", "2.5"]
