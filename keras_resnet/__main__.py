"""`python -m keras_resnet list | describe NAME`: what networks there are, and what one costs."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from keras_resnet.analysis import count_multiply_adds, count_parameters
from keras_resnet.architecture import Architecture
from keras_resnet.builders import describe
from keras_resnet.catalogue import CATALOGUE, get_architecture
from keras_resnet.network import ResNet


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
    command.add_argument("name", help="as in ResNet50, ResNet20V2, Plain34; any valid CIFAR depth")
    options = parser.parse_args(arguments)
    if options.command == "list":
        print("\n".join(f"{name:18}{describe(network)}" for name, network in CATALOGUE.items()))
        return 0
    try:
        architecture = get_architecture(options.name)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(description(architecture)))
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
