"""The command line: what it prints, what it refuses."""

import pytest

import keras_resnet
from keras_resnet.__main__ import main
from keras_resnet.architecture import FIELDS
from tests.keras_resnet.helpers import run_python


def test_list_names_every_network_with_its_phrase(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(keras_resnet.CATALOGUE)
    assert "ResNet50          a residual network of 50 layers in bottleneck units, for ImageNet" in lines
    assert "Plain20           a plain network of 20 layers in basic units, for CIFAR" in lines


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


def test_process_describes_a_network():
    process = run_python("-m", "keras_resnet", "describe", "ResNet20")
    assert "parameters          269,722\n" in process.stdout
