"""What several commands take: arguments and options, each with one name, one meaning and one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

WEIGHTS = "a .keras file, a file or folder by other code, hf://owner/name, cifar10 or imagenet"

Run = Positional[Annotated[Path, arg(metavar="RUN", help="Run folder.")]]
RunOrWeights = Positional[Annotated[str, arg(metavar="RUN", help=f"Run folder; or weights: {WEIGHTS}.")]]
Network = Annotated[
    str | None,
    arg(metavar="NAME", help="Network of the weights; default what a file tells. imagenet needs it."),
]
DataDir = Annotated[Path | None, arg(help="Where the data lies, if elsewhere than at training.")]
Best = Annotated[
    bool,
    arg(help="Take the network of the best validation accuracy, which a run with --evaluation.keep-best keeps."),
]
Verbose = Annotated[bool, arg(help="Show what TensorFlow and others log and warn of.")]
