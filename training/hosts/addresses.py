"""Which hosts share a run, and which of them this one is: from the options, or as Slurm and Kubernetes tell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from training.command_line import option

HOSTS, INDEX, TIMEOUT, AUTO = "--hosts", "--host-index", "--host-timeout", "auto"
PORT = 29_400  # where nothing else decides it
PORTS = 10_000  # after it, among which jobs of Slurm choose by their number
ADVICE = f"Give {HOSTS} HOST:PORT,HOST:PORT,... and {INDEX} 0, 1 and so on, the same list on each"


@dataclass(frozen=True)
class Hosts:
    """The hosts of a run.

    Args:
        addresses: tuple of "name:port" in the order of the hosts; the first one listens at its own.
        index: int, which of them this one is.
    """

    addresses: tuple[str, ...]
    index: int

    def __post_init__(self) -> None:
        for address in self.addresses:
            parse_address(address)
        if len(set(self.addresses)) < len(self.addresses):
            raise ValueError(f"{HOSTS} names {', '.join(self.addresses)}; each host has an address of its own.")
        if not 0 <= self.index < len(self.addresses):
            places = f"0 to {len(self.addresses) - 1}" if len(self.addresses) > 1 else "0"
            raise ValueError(f"{INDEX} must be {places}, the place of this host in {HOSTS}; received {self.index}.")

    def name(self, index: int) -> str:
        """Name a host in a sentence."""
        return f"host {index} ({self.addresses[index]})"


def parse_address(address: str, option: str = HOSTS) -> tuple[str, int]:
    """Take an address, HOST:PORT, apart into name and port; a ValueError names the option that it was given to."""
    name, _, port = address.rpartition(":")
    is_bracketed = name.startswith("[") and name.endswith("]")
    is_bare = ":" in name and not is_bracketed  # an IPv6 address, of which the last part is no port
    name = name[1:-1] if is_bracketed else name
    if is_bare or not name or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        hint = " An IPv6 address stands in brackets." if is_bare else ""
        raise ValueError(f"{option} takes HOST:PORT, as in node1:{PORT}; received {address!r}.{hint}")
    return name, int(port)


def hosts_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Hosts | None:
    """Find the hosts of a command; None where it is to run on one alone.

    Raises:
        ValueError: the options do not say which hosts, or which of them this is, or say what would be ignored; or
            `auto`, and the environment is neither that of Slurm nor that of an Indexed Job of Kubernetes.
    """
    given, index = option(list(arguments), HOSTS), option(list(arguments), INDEX)
    if given is None:
        if index is not None:
            raise ValueError(f"{INDEX} is the place of this host among {HOSTS}, which are not given. {ADVICE}.")
        if option(list(arguments), TIMEOUT) is not None:
            raise ValueError(f"{TIMEOUT} is for the wait for other hosts, and {HOSTS} is not given. Leave it out.")
        return None
    if given == AUTO:
        if index is not None:
            raise ValueError(
                f"{INDEX} {index} would be ignored: {HOSTS} {AUTO} takes the place of this host from Slurm or "
                f"Kubernetes. Leave {INDEX} out, or name the hosts, as in {HOSTS} node1:{PORT},node2:{PORT}."
            )
        hosts = of_kubernetes(environment) or of_slurm(environment)
        if hosts is None:
            raise ValueError(
                f"{HOSTS} {AUTO} needs SLURM_STEP_NODELIST and SLURM_PROCID, as srun sets them, or "
                f"JOB_COMPLETION_INDEX, as Kubernetes does, with JOB_COMPLETIONS and JOB_SERVICE. {ADVICE}."
            )
        return hosts if len(hosts.addresses) > 1 else None
    addresses = tuple(address.strip() for address in given.split(","))
    if index is None:
        raise ValueError(f"{INDEX} is missing, the place of this host among {HOSTS}. {ADVICE}.")
    if not index.isascii() or not index.isdigit():
        raise ValueError(f"{INDEX} must be a number from 0 on; received {index!r}.")
    hosts = Hosts(addresses, int(index))
    return hosts if len(addresses) > 1 else None


def of_kubernetes(environment: Mapping[str, str]) -> Hosts | None:
    """Find the hosts of an Indexed Job, whose pods a headless service names.

    Kubernetes sets JOB_COMPLETION_INDEX and the name of the pod; the manifest must set JOB_COMPLETIONS, how many there
    are, and JOB_SERVICE, the service, which is the subdomain of the pods.
    """
    if "JOB_COMPLETION_INDEX" not in environment:
        return None
    missing = [name for name in ("JOB_COMPLETIONS", "JOB_SERVICE", "HOSTNAME") if not environment.get(name)]
    index, count = environment["JOB_COMPLETION_INDEX"], environment.get("JOB_COMPLETIONS", "")
    if missing or not (index.isdigit() and count.isdigit()):
        raise ValueError(
            "In a job of Kubernetes JOB_COMPLETIONS must be set to its completions, and JOB_SERVICE to the headless "
            f"service of its pods; {', '.join(missing) or 'JOB_COMPLETIONS'} is not."
        )
    job, own, service = environment["HOSTNAME"], f"-{index}", environment["JOB_SERVICE"]
    if not job.endswith(own):
        raise ValueError(
            f"HOSTNAME is {job!r} and does not end in {own}, as the name of this pod of an Indexed Job does; in the "
            f"network of its node a pod has the node's name. {ADVICE}."
        )
    job = job.removesuffix(own)
    port = environment.get("JOB_PORT", str(PORT))
    return Hosts(tuple(f"{job}-{place}.{service}:{port}" for place in range(int(count))), int(index))


def of_slurm(environment: Mapping[str, str]) -> Hosts | None:
    """Find the hosts of a step of Slurm, one task on each."""
    listed = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST")
    if not listed or "SLURM_PROCID" not in environment:
        return None
    nodes = list(expand(listed))
    tasks = environment.get("SLURM_STEP_NUM_TASKS") or environment.get("SLURM_NTASKS") or str(len(nodes))
    if int(tasks) != len(nodes):
        raise ValueError(
            f"Slurm runs {tasks} tasks on {len(nodes)} nodes; one on each uses all of its devices: pass "
            "--ntasks-per-node=1 to srun."
        )
    port = PORT + int(environment.get("SLURM_JOB_ID", "0")) % PORTS
    return Hosts(tuple(f"{node}:{port}" for node in nodes), int(environment["SLURM_PROCID"]))


def expand(listed: str) -> Iterator[str]:
    """Write out the nodes of a list as Slurm abbreviates it, such as `gpu[01-03,7],login`."""
    for item in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", listed):
        parts = [
            list(_range(part[1:-1])) if part.startswith("[") else [part]
            for part in re.findall(r"\[[^\]]*\]|[^\[]+", item)
        ]
        yield from map("".join, itertools.product(*parts))


def _range(text: str) -> Iterator[str]:
    """Write out the numbers of a bracket, with the zeros before them."""
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield f"{number:0{len(first)}}"
