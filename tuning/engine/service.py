"""The chief's side of the calls: keras-tuner's oracle service, for those who know the study and its secret."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.src import protos

from training.hosts.addresses import parse_address
from tuning.engine.access import (
    ATTEMPT,
    Access,
    Caller,
    LostLeaseError,
    RefusedError,
    caller_of,
    open_access,
    why_refused,
)
from tuning.engine.chief import Chief

# Without the option several servers of a machine share a port, and their calls.
OPTIONS = (("grpc.so_reuseport", 0),)
THREADS = 8


class Outside(NamedTuple):
    """Where workers of other machines reach a chief."""

    address: str  # HOST:PORT
    chain: Path | None = None  # a certificate in PEM by which calls are encrypted, and those above it; None for none
    key: Path | None = None  # its private key


class OracleService(protos.get_service_grpc().OracleServicer):
    """Answers the calls that a worker of ours makes; keras-tuner's others are not implemented.

    A call that is refused ends with a status of gRPC's and a sentence, and changes nothing.
    """

    def __init__(self, chief: Chief, access: Access):
        self.chief, self.access = chief, access

    @contextlib.contextmanager
    def _caller(self, context: grpc.ServicerContext) -> Iterator[Caller]:
        """Give who calls; end the call where it is none of this study's, or is refused."""
        said = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        if refusal := why_refused(self.access, said):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, refusal)
        try:
            yield caller_of(said)
        except LostLeaseError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except RefusedError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Exception as error:
            context.abort(grpc.StatusCode.INTERNAL, f"the search itself has failed: {error}")

    def CreateTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - as in the protocol
        """Give a worker its next trial, and the attempt's number beside it."""
        with self._caller(context) as caller:
            trial, attempt = self.chief.create(caller)
            context.send_initial_metadata(((ATTEMPT, str(attempt)),))
            return protos.get_service().CreateTrialResponse(trial=trial.to_proto())

    def GetTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - as in the protocol
        """Take a heartbeat."""
        with self._caller(context) as caller:
            return protos.get_service().GetTrialResponse(trial=self.chief.get(caller, request.trial_id).to_proto())

    def UpdateTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - as in the protocol
        """Take the score of a trial."""
        with self._caller(context) as caller:
            trial = self.chief.update(caller, request.trial_id, request.metrics)
            return protos.get_service().UpdateTrialResponse(trial=trial.to_proto())

    def EndTrial(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - as in the protocol
        """Take a trial back."""
        with self._caller(context) as caller:
            trial = request.trial  # whose values are the chief's own, whatever a worker sends
            self.chief.end(caller, trial.trial_id, TrialStatus.from_proto(trial.status))
            return protos.get_service().EndTrialResponse()


def listen(chief: Chief, access: Access, outside: Outside | None = None) -> tuple[grpc.Server, str]:
    """Answer calls of this machine, and of others where that is wanted; return the server and an own address.

    The own address, HOST:PORT, is for the workers of this machine.
    A ValueError says that the address or the certificate cannot be used.
    """
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=THREADS), options=OPTIONS)
    protos.get_service_grpc().add_OracleServicer_to_server(OracleService(chief, access), server)
    own = server.add_insecure_port("127.0.0.1:0")
    if outside:
        credentials = outside.chain and read_credentials(outside.chain, outside.key)
        try:
            if credentials:
                server.add_secure_port(outside.address, credentials)
            else:
                server.add_insecure_port(outside.address)
        except RuntimeError as error:
            raise ValueError(
                f"Cannot listen at {outside.address}: is it an address of this machine, and free?"
            ) from error
    server.start()
    return server, f"127.0.0.1:{own}"


def read_credentials(chain: Path, key: Path) -> grpc.ServerCredentials:
    """Read the files of a certificate; a ValueError says which of them is none."""
    texts = []
    for file, word in ((key, "PRIVATE KEY"), (chain, "CERTIFICATE")):
        text = file.read_bytes() if file.is_file() else b""
        if f"{word}-----".encode() not in text:
            raise ValueError(f"{file} is no file in PEM with a {word.lower()}; --tls takes a certificate and its key.")
        texts.append(text)
    return grpc.ssl_server_credentials([tuple(texts)])


def open_to(folder: Path, outside: Outside | None) -> Access:
    """Write into the study folder how to reach its chief."""
    if outside is None:
        return open_access(folder, None)
    certificate = outside.chain.read_text(encoding="utf-8") if outside.chain else None
    return open_access(folder, reachable(outside.address), certificate)


def reachable(address: str) -> str:
    """Give the address by which other machines know this one, where a chief listens at all that it has."""
    host, port = parse_address(address, "--chief")
    return f"{socket.getfqdn()}:{port}" if host in ("0.0.0.0", "::") else address
