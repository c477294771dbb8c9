"""The command line: what it prints, what it refuses."""

import os
import re
import signal
import subprocess
import sys

import pytest

import keras_resnet
import keras_resnet.__main__ as command_line
from keras_resnet.__main__ import main
from keras_resnet.analysis import count_multiply_adds, count_parameters
from keras_resnet.architecture import FIELDS
from keras_resnet.weights import loading
from tests.keras_resnet.helpers import FULL_PREACTIVATION as FULL
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT


def test_list_names_every_network_with_its_figures_and_phrase(capsys):
    assert main(["list"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    columns = ["network", "parameters", "multiply-adds", "published error, %", "weights", "what it is"]
    assert re.split(" {2,}", heading) == columns
    assert [line.split()[0] for line in lines] == list(keras_resnet.CATALOGUE)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    phrase = "a residual network of 50 layers in bottleneck units, for ImageNet"
    assert rows["ResNet50"] == f"25,557,032 3.858 G 22.85 (10-crop) imagenet {phrase}"
    assert rows["Plain20"] == "269,722 40.55 M a plain network of 20 layers in basic units, for CIFAR"


def test_list_names_the_networks_whose_weights_are_published(capsys):
    main(["list"])
    lines = capsys.readouterr().out.splitlines()
    named = {line.split()[0] for line in lines if " imagenet " in line}
    assert named == {f"ResNet{depth}{version}" for depth in (50, 101, 152) for version in ("", "V2")}


@pytest.mark.parametrize(
    ("name", "phrase", "parameters", "multiply_adds"),
    [
        ("ResNet20", "a residual network of 20 layers in basic units, for CIFAR", "269,722", "40,551,040 at 32 x 32"),
        ("resnet8", "a residual network of 8 layers in basic units, for CIFAR", "75,290", "12,239,488 at 32 x 32"),
        (
            "ResNet18V2",
            "a residual network of 18 layers in basic units (full preactivation), for ImageNet",
            "11,687,720",
            "1,814,073,344 at 224 x 224",
        ),
    ],
)
def test_describe_tells_cost_and_choices(name, phrase, parameters, multiply_adds, capsys):
    assert main(["describe", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == phrase
    assert lines[1].split(maxsplit=1) == ["parameters", parameters]
    assert lines[2].split(maxsplit=1) == ["multiply-adds", multiply_adds]


def test_describe_shows_every_field(capsys):
    main(["describe", "ResNet20V2"])
    fields = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[3:])
    network = keras_resnet.CATALOGUE["ResNet20V2"]
    assert fields == {field: str(getattr(network, field)) for field in FIELDS}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("RestNet50", "error: Unknown network 'RestNet50'. Did you mean 'ResNet50'? Allowed: ResNet18, "),
        ("ResNet21", "error: Unknown network 'ResNet21'. A CIFAR network of basic units has 6n+2 layers; "),
    ],
)
def test_unknown_network_is_one_line_and_a_bad_status(name, sentence, capsys):
    assert main(["describe", name]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(sentence)
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["show"], ["describe"]])
def test_wrong_usage_is_shown_and_a_bad_status(arguments, capsys):
    with pytest.raises(SystemExit) as status:
        main(arguments)
    assert status.value.code == 2
    assert "usage: python -m keras_resnet" in capsys.readouterr().err


def test_process_exits_with_the_status_and_without_a_traceback():
    process = run_python("-m", "keras_resnet", "describe", "RestNet50", check=False)
    assert process.returncode == 2
    assert process.stdout == ""
    assert "Traceback" not in process.stderr
    errors = [line for line in process.stderr.splitlines() if "RestNet50" in line]
    assert len(errors) == 1
    assert errors[0].startswith("error: Unknown network 'RestNet50'. Did you mean 'ResNet50'?")


@pytest.mark.parametrize(
    ("options", "choices"),
    [
        (["--shortcut", "C", "--activation", "prelu"], {"shortcut": "C", "activation": "prelu"}),
        (["--shortcut", "{name: exclusive_gating, bias: -7}"], {"shortcut": {"name": "exclusive_gating", "bias": -7}}),
        (["--shortcut", "{name: dropout, rate: 1e-1}"], {"shortcut": {"name": "dropout", "rate": 0.1}}),
        (["--shortcut", '{"name": "A", "zeros": "both"}'], {"shortcut": {"name": "A", "zeros": "both"}}),
        (["--placement", "full_preactivation", "--norm-epsilon", "1e-3"], {"placement": FULL, "norm_epsilon": 1e-3}),
        (["--blocks", "[1, 2, 1]", "--zero-init-residual=true"], {"blocks": (1, 2, 1), "zero_init_residual": True}),
        (["--squeeze-excitation", "4", "--biased", "[stem, '1']"], {"squeeze_excitation": 4, "biased": ("stem", "1")}),
    ],
)
def test_describe_takes_the_choices_of_the_builders(options, choices, capsys):
    assert main(["describe", "ResNet8", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    model = keras_resnet.ResNet("ResNet8", **choices)
    assert lines[1].split()[-1] == f"{count_parameters(model):,}"
    assert lines[2].split()[1] == f"{count_multiply_adds(model):,}"
    fields = dict(line.split(maxsplit=1) for line in lines[3:])
    assert {field: fields[field] for field in choices} == {field: str(value) for field, value in choices.items()}


def test_describe_takes_classes_and_image_size(capsys):
    assert main(["describe", "ResNet20", "--classes", "100", "--image-size", "64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[-1] == f"{269_722 + 5_850:,}"
    assert lines[2].endswith(f"{(40_551_040 - 640) * 4 + 6_400:,} at 64 x 64")


@pytest.mark.parametrize(("command", "missing"), [("describe", []), ("draw", ["unit"])])
def test_every_choice_is_an_option(command, missing, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    page = capsys.readouterr().out
    assert [field for field in FIELDS if f"--{field.replace('_', '-')} VALUE" not in page] == missing


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["describe", "ResNet8", "--shortcut", "Z"], "error: Unknown shortcut 'Z'. Did you mean 'C'? Allowed: A, B, C"),
        (["describe", "ResNet8", "--image-size", "2"], "error: input_shape=(2, 2, 3) is too small: "),
        (["describe", "ResNet8", "--classes", "0"], "error: classes must be a positive integer; received 0."),
        (["describe", "ResNet8", "--l2", "inf"], "error: l2 must be a number from 0 to below 1000; received 'inf'."),
        (["describe", "ResNet8", "--l2", ".nan"], "error: l2 must be a number from 0 to below 1000; received nan."),
    ],
)
def test_choice_that_is_not_allowed_is_one_line(arguments, sentence, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.err.startswith(sentence.split(" Did you mean")[0]) and output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["draw", "ResNet8", "-o", "a.png", "-o", "b.png"], "-o is given twice; give it once."),
        (["describe", "ResNet8", "--shortcut", "A", "--shortcut", "B"], "--shortcut is given twice; give it once."),
        (["describe", "ResNet8", "--short", "A"], "unrecognized arguments: --short A"),
        (["describe", "ResNet8", "--shortcut", "{name"], "'{name' is not valid YAML: "),
    ],
)
def test_option_that_would_be_lost_is_refused(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as status:
        main(arguments)
    assert status.value.code == 2
    assert sentence in capsys.readouterr().err


def test_ctrl_c_ends_with_status_130_without_a_word(monkeypatch, capsys):
    def press(_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setitem(command_line.COMMANDS, "list", press)
    assert main(["list"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [RecursionError("too\ndeep"), MemoryError(), KeyError("x")])
def test_error_that_nobody_foresaw_is_one_line(error, monkeypatch, capsys):
    def fail(_):
        raise error

    monkeypatch.setitem(command_line.COMMANDS, "list", fail)
    assert main(["list"]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: {type(error).__name__}: ") and line.count("\n") == 1
    assert line.endswith(". This is unexpected; KERAS_RESNET_DEBUG=1 shows where.\n")
    monkeypatch.setenv("KERAS_RESNET_DEBUG", "1")
    with pytest.raises(type(error)):
        main(["list"])


# argparse itself passes over the closed output of --help, from Python 3.11 on.
@pytest.mark.parametrize(("argument", "status"), [("list", 141), ("--help", 0 if sys.version_info >= (3, 11) else 141)])
def test_output_that_nobody_reads_ends_quietly(argument, status):
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-m", "keras_resnet", argument],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (status, "")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("none/net.keras", "No such file or directory"),
        ("/proc/net.keras", "No such file or directory"),
        ("file/net.keras", "Not a directory"),
    ],
)
def test_place_where_nothing_can_be_written_is_named(output, reason, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(loading, "network_of", lambda *_: keras_resnet.ResNet("ResNet8"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["convert", "source.npz", "-o", output]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"error: Cannot save {output}: ") and line.count("\n") == 1
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.slow
def test_process_describes_a_network():
    process = run_python("-m", "keras_resnet", "describe", "ResNet20")
    assert "parameters          269,722\n" in process.stdout
