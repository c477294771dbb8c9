"""The benchmark of inference: its figures and verdicts by hand, its processes, and a run of two rows."""

import csv
import importlib
import math
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT

MODULES = ("inference", "inference_table", "inference_rows", "inference_network", "torch_inference", "processes")
BASE = "keras-savedmodel"


@pytest.fixture
def imported(monkeypatch):
    """Import a module of the benchmark, and forget all of them afterwards."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def table(imported):
    return imported("inference_table")


@pytest.fixture
def measured(table):
    """Eight images of 2^30 multiply-adds, as many together as the product of two matrices of 2048 has."""
    seconds = {
        "matmul": [0.1, 0.2, 0.1],
        BASE: [0.8, 0.8, 1.2],
        "openvino": [0.2, 0.4, 0.2],
        "openvino-int8": [0.1, 0.2, 0.4],
    }
    return table.Measured(8, 2**30, seconds, {"matmul": None, BASE: 0.0, "openvino": 1e-4, "openvino-int8": 0.25})


def test_median_and_quartiles(table):
    assert table.spread([4, 1, 3, 2, 5]) == (3, 2, 4)
    assert table.spread([1, 2]) == (1.5, 1.25, 1.75)
    assert table.spread([7]) == (7, 7, 7)
    assert table.spread([4, 2, 6]).text(1) == "4.0 (3.0 to 5.0)"


def test_table_worked_out_by_hand(table, measured):
    head, *rows = table.table(measured)
    assert rows == [
        ("matrix product", "float32", "100.0 (100.0 to 150.0)", "", "172", "100%", "", ""),
        (
            *("keras.applications, SavedModel", "float32", "800.0 (800.0 to 1000.0)", "10.0", "21", "12%"),
            *("1.00 (1.00 to 1.00)", "0"),
        ),
        ("ours, OpenVINO", "float32", "200.0 (200.0 to 300.0)", "40.0", "86", "50%", "4.00 (3.00 to 5.00)", "0.0001"),
        ("ours, OpenVINO", "int8", "200.0 (150.0 to 300.0)", "40.0", "86", "", "4.00 (3.50 to 6.00)", "0.2"),
    ]
    assert {len(row) for row in rows} == {len(head)}


def test_file_holds_the_same_figures(table, measured):
    rows = [*csv.DictReader(table.as_csv([measured, measured._replace(batch=16)]).splitlines())]
    assert [(row["batch"], row["row"]) for row in rows[::4]] == [("8", "matmul"), ("16", "matmul")]
    assert ",".join(rows[2].values()) == "8,openvino,float32,200,200,300,40,85.8993,0.5,4,3,5,0.0001"
    assert [rows[0][column] for column in ("times", "images_per_second", "logits_off")] == ["", "", ""]
    assert (rows[6]["images_per_second"], rows[6]["share_of_ceiling"]) == ("80", "1")


def test_goal_compares_the_fastest_rows_round_by_round(table):
    seconds = {
        "savedmodel": [0.9, 0.1, 0.9],
        "savedmodel-folded": [0.4, 0.5, 0.6],
        "torch": [0.5, 0.5, 0.5],
        "torch-compiled": [0.8, 0.8, 0.8],
    }
    verdict = table.judge(table.GOALS[0], seconds)
    assert (verdict.ours, verdict.theirs) == ("savedmodel-folded", "torch")
    assert verdict.times == pytest.approx([1.25, 1, 5 / 6])
    assert table.judge(table.GOALS[1], seconds) is None


def test_verdicts_name_figures_and_what_was_not_timed(table, measured):
    seconds = {**measured.seconds, "openvino-int8": [0.16, 0.2, 0.2]}
    *others, int8, float32, bfloat16 = table.verdicts(measured._replace(seconds=seconds))
    assert [line.split(":")[0] for line in others] == ["- open", "- open", "- holds"]
    assert int8 == (
        "- holds: batch 8, our best int8 export beside keras.applications' SavedModel, at least 4 times as fast: 5.00 "
        "(4.50 to 5.50) times, reached in 3 of 3 rounds (ours, OpenVINO in int8 200.0 ms; keras.applications, "
        "SavedModel in float32 800.0 ms)"
    )
    assert float32.startswith(
        "- holds: batch 8, our best in float32 beside the best peer, at least 1 times as fast: 4.00"
    )
    assert bfloat16 == (
        "- open: batch 8, our best in bfloat16 beside the best peer, at least 1 times as fast: not both were timed"
    )


def test_goal_is_missed_where_the_median_is_below_it(table, measured):
    seconds = {BASE: [1.0, 1.0, 1.0], "openvino": [0.3, 0.5, 0.5]}
    line = next(line for line in table.verdicts(measured._replace(seconds=seconds)) if "float export" in line)
    assert line.startswith("- missed: batch 8") and "2.00 (2.00 to 2.67) times, reached in 1 of 3 rounds" in line


def test_goals_for_one_and_eight_images_say_nothing_of_others(table, measured):
    assert len([*table.verdicts(measured)]) == len(table.GOALS) == 6
    assert ["best peer" in line for line in table.verdicts(measured._replace(batch=32))] == [True, True]


def test_every_row_is_part_of_a_goal_and_no_peer_computes_in_int8(table):
    in_goals = {name for goal in table.GOALS for name in (*goal.ours, *goal.theirs)}
    assert in_goals == {*table.ROWS} - {*table.CEILINGS.values()}
    assert table.rows_of(table.PEERS, ["int8"]) == ()


def test_logits_are_compared_whatever_constant_softmax_has_lost(imported):
    deviation = imported("inference_rows").deviation
    logits = np.random.default_rng(0).normal(size=(3, 10))

    def softmax(values):
        return (np.exp(values) / np.exp(values).sum(1, keepdims=True)).astype("float32")

    assert deviation(softmax(logits + 3), softmax(logits)) < 1e-6
    assert deviation(softmax(1.1 * logits), softmax(logits)) == pytest.approx(0.1, rel=1e-4)
    assert math.isnan(deviation(np.full((3, 10), np.nan), softmax(logits)))


def test_layers_have_the_order_in_which_they_are_built_in_pytorch(imported):
    trunk = [f"conv2_block1_{place}_{kind}" for place in (1, 2, 3) for kind in ("conv", "bn")]
    built = ["conv1_conv", "conv1_bn", *trunk, "conv2_block1_0_conv", "conv2_block1_0_bn", "conv2_block10_1_conv"]
    built += ["conv3_block1_1_conv", "predictions"]
    assert sorted(sorted(built), key=imported("torch_inference").place_of) == built


def test_what_is_not_installed_is_named_in_one_line_and_failures_apart(imported):
    inference = imported("inference")
    left_out, failed = (
        inference.Trouble(reason, is_failure) for reason, is_failure in (("no tool", False), ("x", True))
    )
    troubles = {"onnx": left_out, "onnx-int8": left_out, "torch": failed, "torch-compiled": failed}
    assert [*inference.trouble_lines(troubles)] == [
        "left out: onnx, onnx-int8: no tool",
        "failed: torch: x",
        "failed: torch-compiled: x",
    ]


def test_rows_that_a_processor_emulates_are_left_out(imported, capsys):
    rows_of_machine = imported("inference").rows_of_machine
    chosen = ["torch-bfloat16", "torch", "savedmodel"]
    assert rows_of_machine(chosen, {"bfloat16": "avx512_bf16"}) == ["savedmodel", "torch", "torch-bfloat16"]
    assert rows_of_machine(chosen, {"bfloat16": "no avx512_bf16 nor amx_bf16"}) == ["savedmodel", "torch"]
    assert capsys.readouterr().out.startswith("left out: torch-bfloat16: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "0"], "a positive number is needed; received '0'"),
        (["--seconds", "nan"], "a positive number is needed; received 'nan'"),
        (["--rows", "caffe"], "invalid choice: 'caffe'"),
        (["--csv", "no/folder/figures.csv"], "there is no folder no/folder"),
    ],
)
def test_options_are_refused_before_anything_is_made(imported, capsys, arguments, message):
    with pytest.raises(SystemExit):
        imported("inference").parse(arguments)
    assert message in capsys.readouterr().err


def test_process_keeps_what_it_has_made_and_tells_errors(imported):
    processes = imported("processes")
    with processes.Worker(list, [1, 2]) as worker:
        worker.ask("append", 2)
        assert worker.ask("count", 2) == 2
        with pytest.raises(RuntimeError, match="IndexError: pop index out of range"):
            worker.ask("pop", 9)
        assert worker.ask("count", 2) == 2
    absent = processes.Worker(importlib.import_module, "no_such_module")
    with absent, pytest.raises(processes.UnavailableError, match="no_such_module"):
        absent.ask("anything")


def test_process_that_has_ended_leaves_its_last_words(imported):
    with imported("processes").Worker(sys.exit, "the disk is full") as worker:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="ended with status 1: the disk is full"):
                worker.ask("anything")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux tells of all processes in /proc")
def test_process_ends_with_the_one_that_has_started_it(tmp_path):
    code = """
import importlib, os, signal, sys
sys.path.insert(0, sys.argv[1])
from processes import Worker
print(Worker(importlib.import_module, "os").ask("getpid"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = run_python("-c", code, ROOT / "benchmarks", check=False, TMPDIR=str(tmp_path))
    command, deadline = Path("/proc", process.stdout.strip(), "cmdline"), time.monotonic() + 20
    assert process.stdout.strip().isdecimal()
    while command.exists() and command.read_bytes():  # empty once a process is dead that nobody has waited for
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_every_row_computes_the_network_of_the_peer(imported, tmp_path):
    network, rows = imported("inference_network"), imported("inference_rows")
    plan = network.Plan("ResNet8", 2, tmp_path)
    maker, contenders = network.Maker(plan), rows.Contenders(plan)
    maker.export_theirs(BASE)
    opened, missing = {}, set()
    for name, row in rows.ROWS.items():
        try:
            if row.engine in rows.EXPORTS:
                maker.export_ours(name, row.engine, row.precision, row.is_folded)
            opened[name] = contenders.open(name)  # raises where it computes something else
        except ImportError:
            missing.add(row.engine)
        else:
            assert 0 < contenders.time(name, 1e-6) < 60
    assert missing <= {"litert", "onnx", "openvino", "torch"}
    assert {name for name, off in opened.items() if off is None} == {*rows.CEILINGS.values()}
    assert maker.multiply_adds() == 12_239_488  # 1024 (27 + 2 144) 16 + 2 x 3/4 x 4,718,592 + 640


@pytest.mark.slow
def test_two_rows_are_timed_and_told(tmp_path):
    file = tmp_path / "figures.csv"
    options = ("--rows", "savedmodel-folded", BASE, "--batches", "2", "--rounds", "2", "--seconds", "0.01")
    script = ROOT / "benchmarks" / "inference.py"
    process = run_python(script, "--network", "ResNet8", *options, "--csv", file)
    base, ours = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    assert (base["row"], ours["row"], ours["batch"]) == (BASE, "savedmodel-folded", "2")
    assert (base["times"], base["logits_off"]) == ("1", "0")
    assert float(ours["ms"]) > 0 and float(ours["logits_off"]) < 1e-4
    assert "| ours, SavedModel folded " in process.stdout
    assert ": batch 2, our best in float32 beside the best peer, at least 1 times as fast: " in process.stdout
