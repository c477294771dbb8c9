"""The benchmark of scale: its arithmetic by hand, the table in the guide, and two processes on this machine."""

import argparse
import subprocess
import sys
import time

import pytest

from tests.shared import ROOT

RESNET50 = 25_557_032  # parameters


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import scaling

    yield scaling
    sys.modules.pop("scaling")


@pytest.mark.parametrize("devices", [1, 2, 3, 8])
def test_a_ring_sends_every_gradient_twice_but_for_one_share(scaling, devices):
    # Each device sends one share at each of N - 1 turns that add up, and at each of N - 1 that hand the sums around.
    share = 1200 // devices
    assert scaling.sent(1200, devices) == pytest.approx(4 * share * (devices - 1) * 2)


def test_efficiency_of_a_step_worked_out_by_hand(scaling):
    # 100 ms of arithmetic, 66.7 of them backward, 2 x 7/8 x 400 MB over 5 GB/s = 140 ms.
    step = scaling.expected(100_000_000, 8, 100, 1000, 5e9)
    assert step.communicate == pytest.approx(0.14)
    assert step.one_after_the_other == pytest.approx(100 / 240)
    assert step.overlapped == pytest.approx(100 / (100 + 140 - 200 / 3))
    assert scaling.expected(100_000_000, 8, 100, 1000, 25e9).overlapped == 1


def test_the_guide_has_the_table_of_today(scaling):
    table = "\n".join(scaling.estimate_table(RESNET50, [8, 64], 256, 2375))
    assert table in (ROOT / "docs" / "guide" / "scaling.md").read_text(encoding="utf-8")


def test_what_resnet50_learns_is_counted(scaling):
    assert scaling.count_parameters("ResNet50", 64) == RESNET50


def test_a_line_tells_the_median_and_the_range_of_what_communication_adds(scaling):
    line = scaling.line_of(2, 1_000_000, {"alone": [0.010, 0.011, 0.010], "together": [0.013, 0.012, 0.014]})
    assert " ".join(line.split()) == "2 10.0 (10.0 to 11.0) 13.0 (12.0 to 14.0) 3.0 (1.0 to 4.0) 4.00 MB"


def test_a_process_that_fails_ends_the_benchmark_in_a_sentence(scaling, monkeypatch, capsys):
    def run_group(options, count):
        commands = ["import time; time.sleep(300)", "import sys; sys.exit('a\\nno memory\\n is left')"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return scaling.outputs_of([subprocess.Popen([sys.executable, "-c", code], **pipes) for code in commands])

    monkeypatch.setattr(scaling, "prepare_process", lambda: None)
    monkeypatch.setattr(scaling, "run_group", run_group)
    assert scaling.main(["--network", "ResNet8", "--processes", "2"]) == 1
    assert capsys.readouterr().err == "error: A process of this script ended with status 1: a no memory is left\n"


@pytest.mark.slow
def test_two_processes_are_timed_alone_and_together(scaling):
    pytest.importorskip("jax", reason="the benchmark needs JAX: pip install 'keras-resnet-suite[reproduce]'")
    options = argparse.Namespace(network="ResNet8", side=8, batch=2, rounds=2, steps=1)
    seconds = scaling.run_group(options, 2)
    assert {name: len(rounds) for name, rounds in seconds.items()} == {"alone": 2, "together": 2}
    assert all(value > 0 for rounds in seconds.values() for value in rounds)


@pytest.mark.slow
def test_the_error_of_the_process_that_failed_is_shown_at_once(scaling, monkeypatch):
    pytest.importorskip("jax", reason="the benchmark needs JAX: pip install 'keras-resnet-suite[reproduce]'")
    options, given = argparse.Namespace(network="ResNet8", side=8, batch=2, rounds=1, steps=1), scaling.environment_of

    def environment_of(index, count):
        return {**given(index, count), **({"KERAS_BACKEND": "none"} if index else {})}

    monkeypatch.setattr(scaling, "environment_of", environment_of)
    began = time.monotonic()
    with pytest.raises(ChildProcessError, match="none"):
        scaling.run_group(options, 2)
    assert time.monotonic() - began < 100  # where the first one would wait for 300 s


@pytest.mark.slow
def test_the_error_of_a_process_is_shown(scaling):
    pytest.importorskip("jax", reason="the benchmark needs JAX: pip install 'keras-resnet-suite[reproduce]'")
    options = argparse.Namespace(network="ResNet7", side=8, batch=2, rounds=1, steps=1)
    with pytest.raises(ChildProcessError, match="ResNet7"):
        scaling.run_group(options, 1)
