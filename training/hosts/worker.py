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
from training.hosts.links import Link
from training.hosts.supervisor import WORKER

if TYPE_CHECKING:
    from training.data.datasets import Source

PACKAGES = ("keras-resnet-suite", "keras", "jax", "jaxlib", "tensorflow", "tensorflow-cpu")
OPTIONS = ("resume", "overwrite", "export")  # of the command, which all must be given alike
FIRST = 64  # images of each split by which data are told from others


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
        self.agree("data", data_facts(source, config))

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


def data_facts(source: Source, config: RunConfig) -> dict[str, Any]:
    """Describe data so that other data differ: classes, numbers of images, labels, and the first images."""
    from training.run_folder import RunFolder

    pixels, labels = hashlib.blake2b(digest_size=6), hashlib.blake2b(digest_size=6)
    for split in dict.fromkeys((source.train_split, source.watched.test_split, source.test_split)):
        for image, _ in source.examples(split).take(FIRST).as_numpy_iterator():
            pixels.update(image if isinstance(image, bytes) else image.tobytes())
        labels.update(source.fingerprint(split))
    facts = {
        "classes": len(source.classes),
        "images to train on": source.count(source.train_split),
        "images to test": source.count(source.test_split),
        "names of classes": hashlib.blake2b("\n".join(source.classes).encode(), digest_size=6).hexdigest(),
        "labels": labels.hexdigest(),
        "first images": pixels.hexdigest(),
    }
    if weights := config.start.weights:
        path = RunFolder(Path(weights)).model_file if Path(weights).is_dir() else Path(weights)
        facts["weights to start from"] = hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else weights
    return facts
