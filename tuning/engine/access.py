"""Who may call a chief: those who can read the secret of its study, which lies in the study folder."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from keras_resnet.files import write_atomically

ACCESS_FILE = "chief.json"
STUDY, SECRET, WORKER, SESSION, ATTEMPT = "study", "secret", "worker", "session", "attempt"  # said with every call
NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of workers
OWN = re.compile(r"worker\d+")  # those of the chief's machine, which end with it


class RefusedError(Exception):
    """What a worker asks of the chief is not given."""


class LostLeaseError(RefusedError):
    """A worker speaks of a trial that it does not hold, or no longer."""


class Access(NamedTuple):
    """How to reach the chief of a study, and what it wants to hear."""

    study: str  # drawn once, so that a worker of another study is known
    secret: str
    address: str | None = None  # HOST:PORT at which it serves other machines; None where it serves none, or has ended
    certificate: str | None = None  # PEM text that its calls are encrypted by; None where they are not


class Caller(NamedTuple):
    """Who calls, as said with the call."""

    worker: str
    session: str  # drawn when a worker starts, which tells it from another of the same name
    attempt: int  # of the trial that it holds; 0 for none


def open_access(folder: Path, address: str | None, certificate: str | None = None) -> Access:
    """Write how to reach the chief, for the owner of the study folder alone; study and secret stay once drawn."""
    drawn = Access(secrets.token_hex(8), secrets.token_hex(32))
    before = read_access(folder) if (folder / ACCESS_FILE).is_file() else drawn
    access = before._replace(address=address, certificate=certificate)

    def write(part: Path) -> None:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(access._asdict(), file)

    write_atomically(folder / ACCESS_FILE, write)
    return access


def read_access(folder: Path) -> Access:
    """Read how to reach the chief of a study.

    A ValueError says that the file is damaged; an OSError that there is none yet, or that it may not be read.
    """
    file = folder / ACCESS_FILE
    try:
        access = Access(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}). Remove it; the chief makes another when it starts.") from error
    return access


def wait_for_access(folder: Path, seconds: float) -> Access:
    """Read how to reach a chief that may not have started yet; a ValueError says that it may not be read, or is not."""
    until, is_told = time.monotonic() + seconds, False
    while True:
        try:
            access = read_access(folder)
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or time.monotonic() >= until:
                raise ValueError(
                    f"Cannot read {folder / ACCESS_FILE} ({error.strerror}), which the chief writes for its own user."
                ) from error
        else:
            if access.address:
                return access
            if time.monotonic() >= until:
                raise ValueError(f"The chief of {folder} serves no other machines, or has ended; see its --chief.")
        if not is_told:
            print(f"waiting for the chief of {folder}", flush=True)
            is_told = True
        time.sleep(1.0)


def check_name(name: str) -> None:
    """Refuse a name that no worker of another machine may have."""
    if not NAMES.fullmatch(name):
        raise ValueError(
            f"A worker's name is up to 64 letters, digits, dots, dashes and underscores; received {name!r}."
        )
    if OWN.fullmatch(name):
        raise ValueError(f"{name} is a name of the chief's own workers; give another --name.")


def identity(access: Access, caller: Caller) -> tuple[tuple[str, str], ...]:
    """Say who calls, as metadata of a call."""
    own = ((WORKER, caller.worker), (SESSION, caller.session), (ATTEMPT, str(caller.attempt)))
    return ((STUDY, access.study), (SECRET, access.secret), *own)


def why_refused(access: Access, said: Mapping[str, str]) -> str | None:
    """Say why a call is none of this study's; None where it is."""
    if said.get(STUDY) != access.study:
        return "this chief serves another study; --chief and the study folder do not belong together"
    if not secrets.compare_digest(said.get(SECRET, "").encode(), access.secret.encode()):
        return f"the secret is another than that in the study folder's {ACCESS_FILE}"
    if not NAMES.fullmatch(said.get(WORKER, "")) or not said.get(SESSION) or not said.get(ATTEMPT, "").isdecimal():
        return "the call does not say which worker makes it"
    return None


def caller_of(said: Mapping[str, str]) -> Caller:
    """Read who calls from the metadata of a call that is not refused."""
    return Caller(said[WORKER], said[SESSION], int(said[ATTEMPT]))
