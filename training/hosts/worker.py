"""The worker of a host: it agrees with those of the others on what they train, and ends with its supervisor."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_resnet import files
from training.config import RunConfig
from training.config.fields import OF_THE_MACHINE, flat_config, name_of
from training.data.facts import data_facts
from training.hosts.links import Link
from training.hosts.supervisor import WORKER

if TYPE_CHECKING:
    from training.data.datasets import Source

PACKAGES = ("keras-resnet-suite", "keras", "jax", "jaxlib", "tensorflow", "tensorflow-cpu")
OPTIONS = ("resume", "overwrite", "export")  # of the command, which all must be given alike


class Worker:
    """What a worker knows of its place, and the line to its supervisor.

    Args:
        told: dict that the supervisor gave it.
    """

    def __init__(self, told: Mapping[str, Any]):
        self.host, self.hosts, self.service = told["host"], told["hosts"], told["service"]
        self.folder = told["folder"]
        self.line = Link(socket.socket(fileno=told["descriptor"]), None)
        self.agreed = threading.Event()
        # What C++ code prints goes to the supervisor, which keeps it back; what Python prints, to the user.
        sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, encoding=sys.stdout.encoding, errors=sys.stdout.errors)
        os.dup2(2, 1)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Wait for the supervisor's words; where it has ended, end too, wherever this process is."""
        while self.line.is_open:
            for message in self.line.receive():
                if "agreed" in message:
                    self.agreed.set()
        files.remove_unfinished()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(1)

    def agree(self, about: str, facts: Mapping[str, Any]) -> None:
        """Wait until all hosts say the same about something; where they do not, the supervisor ends this process."""
        self.agreed.clear()
        self.line.send(about=about, facts=dict(facts))
        self.agreed.wait()

    def agree_on_settings(self, config: RunConfig, options: Mapping[str, Any]) -> None:
        """Make sure that all hosts were started alike, by the same versions."""
        flat = {path: value for path, value in flat_config(config).items() if path not in OF_THE_MACHINE}
        settings = {name_of(path): value for path, value in flat.items()}
        facts = {**settings, **{f"--{name}": options[name] for name in OPTIONS}, **_versions()}
        self.agree("settings", json.loads(json.dumps(facts, default=str)))

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Let the first host open the data before all others: where they share a disk, it may have to prepare them."""
        if self.host:
            self.agree("turn", {})
        yield
        if not self.host:
            self.agree("turn", {})

    def agree_on_data(self, source: Source, config: RunConfig) -> None:
        """Make sure that all hosts have the same data, and the same weights to start from."""
        self.agree("data", {**data_facts(source), **start_facts(config)})

    def connect(self) -> None:
        """Let JAX of all hosts find each other, and see the devices of all."""
        import jax

        if not socket.has_dualstack_ipv6():  # JAX would listen at an address of IPv6
            os.environ.setdefault("JAX_COORDINATOR_BIND_ADDRESS", f"0.0.0.0:{self.service.rpartition(':')[2]}")
        # `keras.distribution.initialize` lets JAX look for a cluster: under Slurm or Open MPI it takes one GPU of each
        # host then, and leaves the others idle.
        jax.distributed.initialize(self.service, self.hosts, self.host, cluster_detection_method="deactivate")


def joined() -> Worker | None:
    """Give the worker that this process is; None where it is no worker."""
    told = os.environ.pop(WORKER, None)
    return Worker(json.loads(told)) if told else None


def _versions() -> dict[str, str]:
    """Give the versions of the packages that compute."""
    found = {}
    for name in PACKAGES:
        try:
            found[f"version of {name}"] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def start_facts(config: RunConfig) -> dict[str, str]:
    """Describe the weights that a run starts from, if any, so that others differ."""
    from training.run_folder import RunFolder

    if not (weights := config.start.weights):
        return {}
    path = RunFolder(Path(weights)).model_file if Path(weights).is_dir() else Path(weights)
    found = hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else weights
    return {"weights to start from": found}
