"""How the supervisors of a run find each other: the first host's listens, all others call it."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from training.hosts.addresses import HOSTS, INDEX, Hosts, parse_address
from training.hosts.links import Link, Message

GREETING = 3.0  # seconds in which who has called must say who it is
SILENCE = 20.0  # seconds after which a host that says nothing is taken for lost
AGAIN = 0.5  # seconds between two calls of a host that does not answer


def gather(hosts: Hosts, patience: float, files: Callable[[], Sequence[Path]]) -> tuple[dict[int, Link], str]:
    """Wait, on the first host, for all others; give each of them files, and choose where JAX's own service listens.

    Args:
        hosts: Hosts.
        patience: float, seconds to wait.
        files: function that gives the Paths of what the others need of the run's folder, once they are there.

    Returns:
        Tuple of the links by host, and the address of JAX's service.

    Raises:
        ValueError: a host does not come, or is another than it should be, or the port is taken, or a file cannot be
            read here or written there.
    """
    links: dict[int, Link] = {}
    try:
        with listening(hosts) as listener:
            _accept_all(listener, hosts, links, patience)
        name, _ = parse_address(hosts.addresses[0])
        service = f"[{name}]:{free_port()}" if ":" in name else f"{name}:{free_port()}"
        present = files()
        with ThreadPoolExecutor(len(links)) as pool:
            list(pool.map(lambda index: _hand_over(hosts, index, links[index], service, present), links))
        for link in links.values():
            link.send(begin=True)
            link.heard = time.monotonic()  # who came early has had to be silent since
    except (OSError, ValueError) as error:
        for link in links.values():
            link.send(end=str(error))
            link.close()
        raise ValueError(str(error)) from error
    return links, service


def _hand_over(hosts: Hosts, index: int, link: Link, service: str, files: Sequence[Path]) -> None:
    """Give a host what it needs to begin, and wait until it has written that."""
    link.send(service=service)
    try:
        link.send_files(files)
        _expect(link, "ready")
    except OSError as error:
        if error.filename is not None:  # a file that cannot be read here
            raise
        raise ValueError(
            f"{hosts.name(index).capitalize()} is gone: it was killed, or its machine or network failed. Start all "
            "hosts again."
        ) from error


def listening(hosts: Hosts) -> socket.socket:
    """Listen at the port of the first host, whatever its addresses are."""
    port = parse_address(hosts.addresses[0])[1]
    both = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            ("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both, backlog=128
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ValueError(f"Cannot listen at port {port}: {error.strerror}. Choose another in {HOSTS}.") from error
        raise ValueError(
            f"Port {port} of this host is taken by another program; choose another for the first address of {HOSTS}."
        ) from error


def free_port() -> int:
    """Find a port that nobody listens at."""
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def _accept_all(listener: socket.socket, hosts: Hosts, links: dict[int, Link], patience: float) -> None:
    """Take the calls of all other hosts; strangers are not answered."""
    until = time.monotonic() + patience
    listener.settimeout(1.0)
    while missing := set(range(1, len(hosts.addresses))) - set(links):
        if time.monotonic() > until:
            names = ", ".join(hosts.name(index) for index in sorted(missing))
            raise ValueError(
                f"Waited {patience:g} s for {names} at {hosts.addresses[0]}, in vain. Start {HOSTS} all within this "
                "time, or check their addresses."
            )
        for link in links.values():
            link.send(beat=True)
        _forget_ended(links)
        try:
            link = Link(listener.accept()[0], GREETING)
        except TimeoutError:
            continue
        try:
            hello = link.expect()
            index, addresses = int(hello["host"]), hello["hosts"]
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            link.close()
            continue
        _forget_ended(links)
        refusal = _refusal(hosts, links, index, addresses)
        links[index if refusal is None else -1] = link
        if refusal:
            raise ValueError(refusal)
        link.socket.settimeout(SILENCE)


def _forget_ended(links: dict[int, Link]) -> None:
    """Forget the hosts that have gone while they waited for others; they may be started again."""
    for index in [index for index, link in links.items() if link.has_ended]:
        links.pop(index).close()


def _refusal(hosts: Hosts, links: dict[int, Link], index: int, addresses: object) -> str | None:
    """Say why who has called cannot take part."""
    if addresses != list(hosts.addresses):
        theirs = ",".join(map(str, addresses)) if isinstance(addresses, list) else addresses
        return (
            f"Host {index} was started with {HOSTS} {theirs}, and host 0 with {HOSTS} {','.join(hosts.addresses)}; "
            "give all the same list."
        )
    if index in links or not 0 < index < len(hosts.addresses):
        return f"Two hosts were started with {INDEX} {index}; give each its own place in {HOSTS}."
    return None


def call(hosts: Hosts, patience: float, folder: Path) -> tuple[Link, str]:
    """Call the first host until it answers; write the files that it sends into a folder.

    Returns:
        Tuple of the link to it, and the address of JAX's service.

    Raises:
        ValueError: it does not answer, answers as something else, or ends the job.
    """
    link = _connect(hosts, patience)
    link.send(host=hosts.index, hosts=list(hosts.addresses))
    try:
        service = _expect(link, "service")["service"]
        if failure := link.receive_files(folder):
            reason = f"{hosts.name(hosts.index).capitalize()} failed: {failure} Make room, or set TMPDIR there."
            link.send(end=reason)
            raise EndedError(reason)
        link.send(ready=True)
        link.socket.settimeout(10 * 60)  # the others get the files too
        _expect(link, "begin")
    except (OSError, ValueError, KeyError, TypeError) as error:
        link.close()
        if isinstance(error, EndedError):
            raise
        raise ValueError(
            f"{hosts.name(0).capitalize()} has stopped answering, or what listens there is another program: look at "
            "what it says, or choose another port."
        ) from error
    link.socket.settimeout(SILENCE)
    return link, service


class EndedError(ValueError):
    """A host has ended the job, and said why."""


def _expect(link: Link, key: str) -> Message:
    """Wait for a message of a kind; signs of life may come before it."""
    while key not in (message := link.expect()):
        if "end" in message:
            raise EndedError(str(message["end"]))
        if "beat" not in message:
            raise ValueError(f"expected {key!r}, received {str(message)[:100]}")
    return message


def _connect(hosts: Hosts, patience: float) -> Link:
    name, port = parse_address(hosts.addresses[0])
    until = time.monotonic() + patience
    while True:
        try:
            return Link(socket.create_connection((name, port), timeout=5), SILENCE)
        except OSError as error:
            if time.monotonic() > until:
                reason = error.strerror or os.strerror(error.errno) if error.errno else str(error)
                raise ValueError(
                    f"{hosts.name(0).capitalize()} did not answer for {patience:g} s ({reason}). Start it within this "
                    f"time, or correct {HOSTS}."
                ) from error
        time.sleep(AGAIN)
