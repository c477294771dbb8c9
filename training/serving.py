"""`serve`: the network of a run as a folder that TensorFlow Serving and Triton load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from keras_resnet.startup import called
from training.arguments import Best, Run, Verbose
from training.command_line import start_training


@dataclass
class ServeOptions:
    """What serving takes from the command line."""

    run: Run
    to: Path
    """Folder to write: models by version, requests to warm up by, example requests, compose.yaml."""
    name: str | None = None
    """Name by which requests call the network; default the network's."""
    servers: tuple[Literal["tensorflow_serving", "triton"], ...] = ("tensorflow_serving", "triton")
    """Servers to write for; Triton takes ONNX, which needs the extra onnx."""
    check: bool = False
    """Ask the folder its example requests in a fresh process that has nothing of this package."""
    best: Best = False
    verbose: Verbose = False


def serve(arguments: list[str]) -> None:
    """Write what TensorFlow Serving and Triton load; the servers themselves are not started."""
    options = tyro.cli(ServeOptions, prog=f"{called('training')} serve", description=serve.__doc__, args=arguments)
    start_training()
    from keras_resnet.formats.serving import write_serving
    from keras_resnet.formats.serving_check import check_serving
    from training.run_folder import RunFolder

    folder = RunFolder(options.run)
    model = folder.load_model(options.best)
    contract, labels = folder.read_preprocessing(), folder.read_labels()
    write_serving(model, options.to, name=options.name, servers=options.servers, labels=labels, preprocessing=contract)
    print(f"serving {options.to}")
    if options.check:
        for server, answer in check_serving(options.to).items():
            print(f"{server} answers with probabilities {[round(each, 4) for each in answer['probabilities'][0]]}")
