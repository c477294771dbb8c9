"""`python -m keras_resnet list | describe NAME | draw NAME | convert FILE`: the networks, and weights of others."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from keras_resnet.analysis import count_multiply_adds, count_parameters, draw_units, unit_graph
from keras_resnet.architecture import Architecture
from keras_resnet.builders import describe
from keras_resnet.catalogue import CATALOGUE, get_architecture
from keras_resnet.files import write_atomically
from keras_resnet.network import ResNet, has_top
from keras_resnet.weights.loading import network_of

NAME = "as in ResNet50, ResNet20V2, Plain34; any valid CIFAR depth"
CHOICES = ("shortcut", "placement", "activation")  # of a network, that `draw` takes


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: list of str; default those of the process.

    Returns:
        int, the exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m keras_resnet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name every network of the catalogue")
    command = commands.add_parser("describe", help="show a network's choices, parameters and multiply-adds")
    command.add_argument("name", help=NAME)
    command = commands.add_parser("draw", help="draw units of a network, as built")
    command.add_argument("name", help=NAME)
    command.add_argument("--unit", nargs="+", default=["conv3_block1"], help="units to draw; default: conv3_block1")
    for choice in CHOICES:
        command.add_argument(f"--{choice}", help=f"{choice} of the network, where not its own")
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="picture to write, as in unit.png")
    command = commands.add_parser("convert", help="make a .keras file of weights that other code wrote")
    command.add_argument("source", help="file of PyTorch, safetensors, NumPy, HDF5 or KerasHub")
    command.add_argument("--model", metavar="NAME", help="the network; default what the file tells")
    command.add_argument(
        "--key", help="the set of weights, where there are several, as in model_ema; default the plain"
    )
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="file to write, as in network.keras")
    options = parser.parse_args(arguments)
    try:
        COMMANDS[options.command](options)
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def show_names(options: argparse.Namespace) -> None:
    """Print every network of the catalogue.

    Args:
        options: of `list`, which has none.
    """
    print("\n".join(f"{name:18}{describe(network)}" for name, network in CATALOGUE.items()))


def show_description(options: argparse.Namespace) -> None:
    """Print a network's description.

    Args:
        options: of `describe`.
    """
    print("\n".join(description(get_architecture(options.name))))


def draw(options: argparse.Namespace) -> None:
    """Draw units of a network side by side.

    Args:
        options: of `draw`.
    """
    choices = {choice: getattr(options, choice) for choice in CHOICES if getattr(options, choice) is not None}
    model = ResNet(options.name, **choices)
    draw_units([{unit: unit_graph(model, unit) for unit in options.unit}], options.output)


def convert(options: argparse.Namespace) -> None:
    """Write weights that other code wrote as a `.keras` file, with their input contract.

    Args:
        options: of `convert`.

    Raises:
        ValueError: the file is not to be a `.keras` file, or cannot be read.
    """
    if not options.output.endswith(".keras"):
        raise ValueError(f"The output must be a .keras file; received {options.output!r}.")
    model = network_of(options.source, options.model, options.key)
    write_atomically(options.output, model.save)
    classifies = has_top(model)
    top = f"{model.output_shape[-1]} classes" if classifies else "no classifier"
    print(f"{options.output}: {model.name}, {count_parameters(model):,} parameters, {top}")


def description(architecture: Architecture) -> list[str]:
    """Describe a network at the papers' image size.

    Args:
        architecture: Architecture.

    Returns:
        List of lines: the network in words, its cost, and every field.
    """
    model = ResNet(architecture)
    side = architecture.image_size
    fields = dataclasses.asdict(architecture)
    return [
        describe(architecture),
        f"  parameters          {count_parameters(model):,}",
        f"  multiply-adds       {count_multiply_adds(model):,} at {side} x {side}",
        *(f"  {field:20}{value}" for field, value in fields.items()),
    ]


COMMANDS = {"list": show_names, "describe": show_description, "draw": draw, "convert": convert}

if __name__ == "__main__":
    sys.exit(main())
