"""What several commands take: arguments and options, each with one name, one meaning and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

WEIGHTS = "a .keras file, a file or folder by other code, hf://owner/name, cifar10 or imagenet"

Run = Positional[Annotated[Path, arg(metavar="RUN", help="Run folder.")]]
RunOrWeights = Positional[Annotated[str, arg(metavar="RUN", help=f"Run folder; or weights: {WEIGHTS}.")]]
Network = Annotated[
    str | None,
    arg(metavar="NAME", help="Network of the weights; default what a file tells. imagenet needs it."),
]
DataDir = Annotated[Path | None, arg(help="Where the data lies, if elsewhere than at training.")]
Download = Annotated[bool, arg(help="Let TFDS download a data set that is not prepared.")]
Best = Annotated[
    bool,
    arg(help="Take the network of the best validation accuracy, which a run with --evaluation.keep-best keeps."),
]
Verbose = Annotated[bool, arg(help="Show what TensorFlow and others log and warn of.")]


def given(options: Any, names: Sequence[str]) -> dict[str, Any]:
    """Give the options that are given, by name: neither None nor, of a switch, False."""
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None and value is not False}
