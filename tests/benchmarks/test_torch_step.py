"""The networks of the benchmark in PyTorch are those of this package."""

import sys

import pytest

from keras_resnet.architecture.catalogue import get_architecture
from tests.shared import ROOT


@pytest.fixture
def torch_step(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import torch_step

    yield torch_step
    sys.modules.pop("torch_step")


@pytest.mark.parametrize(("name", "classes"), [("ResNet50", 1000), ("ResNet20", 10)])
def test_network_has_as_many_weights_as_ours(torch_step, name, classes):
    theirs = torch_step.build(get_architecture(name), classes)
    assert sum(weight.numel() for weight in theirs.parameters()) == {"ResNet50": 25_557_032, "ResNet20": 269_722}[name]
