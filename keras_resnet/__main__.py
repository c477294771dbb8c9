"""The command line: `python -m keras_resnet list | describe NAME | compare A B | draw NAME | convert FILE`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

import yaml

from keras_resnet.architecture import FIELDS, Architecture
from keras_resnet.architecture.catalogue import CATALOGUE, NAMES, get_architecture
from keras_resnet.architecture.figures import FIGURES
from keras_resnet.architecture.phrase import describe
from keras_resnet.architecture.table import TABLE
from keras_resnet.files import write_atomically
from keras_resnet.interrupts import STATUS
from keras_resnet.messages import printable, unknown
from keras_resnet.startup import DEBUG, VERBOSE, called, close_output, end_output, set_level, start_keras
from keras_resnet.text_tables import aligned
from keras_resnet.weights.collections import collections_with
from keras_resnet.yaml_text import read_yaml

if TYPE_CHECKING:
    from keras_resnet.model import ResidualNetwork

CHOICE = "choice of "  # before the names under which choices are kept, apart from a command's own options
NAME = "as in ResNet50, ResNet20V2, Plain34; any valid CIFAR depth"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; whatever goes wrong ends in one sentence.

    Args:
        arguments: list of str; default those of the process.

    Returns:
        int, the exit status.
    """
    try:
        options = command_parser().parse_args(arguments)
        set_level(options.verbose)
        COMMANDS[options.command](options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return STATUS
    except BrokenPipeError:  # the reader has closed the pipe, as in `| head -3`
        return close_output()
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        end_output(error)
        print(f"error: {printable(sentence(error))}", file=sys.stderr)
        return 2
    return 0


def sentence(error: Exception) -> str:
    """Say in one line what went wrong."""
    text = " ".join(str(error).split())
    if isinstance(error, (ValueError, ImportError, OSError)):
        return text
    return f"{type(error).__name__}: {text[:300] or 'no details'}. This is unexpected; {DEBUG}=1 shows where."


def command_parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    parser = argparse.ArgumentParser(prog=called("keras_resnet"), description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, allow_abbrev=False)
        added.register("action", None, Once)
        added.add_argument(VERBOSE, action="store_true", help="show what TensorFlow and others log and warn of")
        return added

    command("list", "name every network of the catalogue, with its figures")
    described = command("describe", "show a network's choices, parameters and multiply-adds")
    described.add_argument("name", help=NAME)
    described.add_argument("--by-stage", action="store_true", help="show layers, cost and receptive field by stage")
    add_input(described)
    add_choices(described)
    compared = command("compare", "put two networks side by side, stage by stage")
    for side in ("left", "right"):
        text = f"{NAME}; with choices as in '{{name: ResNet50, shortcut: C}}'"
        compared.add_argument(side, metavar="NAME", type=value_of, help=text)
    add_input(compared)
    compared.add_argument("-o", "--output", metavar="FILE", help="picture to write, as in networks.png")
    drawn = command("draw", "draw units of a network, as built")
    drawn.add_argument("name", help=NAME)
    drawn.add_argument("--unit", nargs="+", default=["conv3_block1"], help="units to draw; default: conv3_block1")
    drawn.add_argument("-o", "--output", required=True, metavar="FILE", help="picture to write, as in unit.png")
    add_choices(drawn, taken=("unit",))
    converted = command("convert", "make a .keras file of weights that other code wrote")
    converted.add_argument("source", help="file or folder of weights, or hf://owner/name")
    converted.add_argument("--network", metavar="NAME", help="the network; default what the file tells")
    converted.add_argument(
        "--key", help="the set of weights, where there are several, as in model_ema; default the plain"
    )
    converted.add_argument("-o", "--output", required=True, metavar="FILE", help="file to write, as in network.keras")
    return parser


def add_input(command: argparse.ArgumentParser) -> None:
    """Let a command take classes and image size of its networks."""
    command.add_argument("--classes", type=int, help="outputs of the classifier; default those of the papers")
    command.add_argument("--image-size", type=int, help="side of the images, in pixels; default that of the papers")


class Once(argparse.Action):
    """Stores an option's value, and refuses a second one, which would silently replace the first."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Store `values`."""
        given = namespace.__dict__.setdefault("given", set())
        if self.dest in given:
            parser.error(f"{option_string} is given twice; give it once.")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def add_choices(command: argparse.ArgumentParser, taken: tuple[str, ...] = ()) -> None:
    """Let a command take every field of Architecture but those whose names are `taken` by options of its own."""
    group = command.add_argument_group("choices", "as of the builders; default those of the network")
    for name, field in TABLE.items():
        if name not in taken:
            text = f"{field.written_kind}: {field.doc}".replace("%", "%%")
            option = f"--{name.replace('_', '-')}"
            arguments = {"metavar": "VALUE", "type": value_of, "dest": f"{CHOICE}{name}", "help": text}
            group.add_argument(option, **arguments, default=argparse.SUPPRESS)


def value_of(text: str) -> Any:
    """Read the value of a choice from YAML, as in "C", "0.5", "[2, 2, 2]" or "{name: exclusive_gating, bias: -7}"."""
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid YAML: {' '.join(str(error).split())}") from error


def choices_of(options: argparse.Namespace) -> dict[str, Any]:
    """Read the fields of Architecture that were given off a command's options."""
    given = vars(options)
    return {field: given[CHOICE + field] for field in FIELDS if CHOICE + field in given}


def show_names(options: argparse.Namespace) -> None:
    """Print every network of the catalogue with its cost, its published error, and where weights are."""
    rows = [("network", "parameters", "multiply-adds", "published error, %", "weights", "what it is")]
    for name, network in CATALOGUE.items():
        parameters, multiply_adds, error = FIGURES[name]
        weights = ", ".join(collections_with(name))
        cost = f"{multiply_adds / 1e9:.3f} G" if network.family == "ImageNet" else f"{multiply_adds / 1e6:.2f} M"
        rows.append((name, f"{parameters:,}", cost, error, weights, describe(network)))
    print("\n".join(aligned(rows, right=(1, 2))))


def show_description(options: argparse.Namespace) -> None:
    """Print a network's description, and what stands in each stage where that is asked for."""
    architecture = get_architecture(options.name).replace(**choices_of(options))
    model = network_for(architecture, options)
    print("\n".join(description(model)))
    if options.by_stage:
        from keras_resnet.analysis import stage_table, summarize

        print("\n".join(["", *stage_table(summarize(model))]))


def compare(options: argparse.Namespace) -> None:
    """Print two networks side by side, and draw them where that is asked for."""
    chosen = [named_choice(value) for value in (options.left, options.right)]
    start_keras()
    from keras_resnet.analysis import comparison_table, draw_comparison, summarize

    left, right = (summarize(network_for(architecture, options), name) for name, architecture in chosen)
    if options.output:
        draw_comparison(left, right, options.output)
    print("\n".join(comparison_table(left, right)))


def named_choice(value: Any) -> tuple[str, Architecture]:
    """Read a network off a name, or off a mapping of `name` and choices; give it a name that tells both."""
    if isinstance(value, str):
        return NAMES.get(value.lower(), value), get_architecture(value)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError(f"A network must be a name, or {{name: ..., CHOICE: ...}}; received {value!r}.")
    choices = {field: given for field, given in value.items() if field != "name"}
    if unfit := [field for field in choices if field not in FIELDS]:
        raise ValueError(unknown("choice", unfit[0], FIELDS))
    name = NAMES.get(value["name"].lower(), value["name"])
    told = ", ".join(f"{field} {given}" for field, given in choices.items())
    return f"{name} ({told})" if told else name, get_architecture(value["name"]).replace(**choices)


def draw(options: argparse.Namespace) -> None:
    """Draw units of a network side by side."""
    start_keras()
    from keras_resnet.analysis import draw_units, unit_graph
    from keras_resnet.model import build_network

    model = build_network(options.name, **choices_of(options))
    draw_units([{unit: unit_graph(model, unit) for unit in options.unit}], options.output)


def convert(options: argparse.Namespace) -> None:
    """Write weights that other code wrote as a `.keras` file, with their input contract."""
    if not options.output.endswith(".keras"):
        raise ValueError(f"The output must be a .keras file; received {options.output!r}.")
    start_keras()
    from keras_resnet.analysis import count_parameters
    from keras_resnet.build.head import has_top
    from keras_resnet.weights.loading import network_of

    model = network_of(options.source, options.network, options.key)
    write_atomically(options.output, model.save)
    top = f"{model.output_shape[-1]} classes" if has_top(model) else "no classifier"
    print(f"{options.output}: {model.name}, {count_parameters(model):,} parameters, {top}")


def network_for(architecture: Architecture, options: argparse.Namespace) -> ResidualNetwork:
    """Build a network for the classes and images that a command names."""
    start_keras()
    import keras

    from keras_resnet.model import build_network

    side = architecture.image_size if options.image_size is None else options.image_size
    shape = (side, side, 3) if keras.config.image_data_format() == "channels_last" else (3, side, side)
    return build_network(architecture, classes=options.classes, input_shape=shape)


def description(model: ResidualNetwork) -> list[str]:
    """Describe a network in lines: in words, its cost for its images, and every field."""
    from keras_resnet.analysis import count_multiply_adds, count_parameters
    from keras_resnet.layers.conventions import spatial_axes

    sides = " x ".join(str(model.input_shape[axis]) for axis in spatial_axes())
    rows = [
        ("parameters", f"{count_parameters(model):,}"),
        ("multiply-adds", f"{count_multiply_adds(model):,} at {sides}"),
        *((field, str(getattr(model.architecture, field))) for field in FIELDS),
    ]
    return [describe(model.architecture), *(f"  {line}" for line in aligned(rows))]


COMMANDS = {"list": show_names, "describe": show_description, "compare": compare, "draw": draw, "convert": convert}

if __name__ == "__main__":
    sys.exit(main())
