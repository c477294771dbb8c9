"""A worker's side of the calls to its chief: keras-tuner's client, which says who calls and waits for a chief."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from keras_tuner import HyperParameters
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalValueError
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_client import OracleClient

from tuning.engine.access import ATTEMPT, Access, Caller, LostLeaseError, identity

if TYPE_CHECKING:
    import keras_tuner

ANSWER = 60.0  # seconds in which a chief answers, or is taken for away
AGAIN = 1.0  # seconds until a chief that is away is asked again
# Several clients of a process share a connection otherwise; a chief that was started again is to be found soon.
CHANNEL = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 2000))
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class ChiefClient(OracleClient):
    """keras-tuner's client of an oracle elsewhere, whose own constructor makes a channel that says nothing of itself.

    Every call names the study, its secret, the worker and its attempt. While the chief is away, calls are made again
    for `patience` seconds, to where `find` then says it is; after that, or where it refuses a call, a FatalValueError
    ends the worker.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        access: Access,
        worker: str,
        patience: float,
        find: Callable[[], Access] | None = None,
    ):
        self._oracle, self.access, self.patience, self.find = oracle, access, patience, find or (lambda: access)
        self.multi_worker, self.should_report = False, True
        self.tuner_id, self.session, self.attempt = worker, uuid.uuid4().hex, 0
        self.is_over = False  # whether the search has ended while the chief was away
        self.leaving = threading.Event()  # set where this worker is to end
        self.stub = protos.get_service_grpc().OracleStub(open_channel(access))

    def create_trial(self, tuner_id: str) -> Trial:
        """Ask for a trial; it says to end where the search has ended meanwhile."""
        self.attempt = 0
        try:
            response, call = self._ask("CreateTrial", protos.get_service().CreateTrialRequest(tuner_id=tuner_id))
        except LostLeaseError:
            if not self.is_over:
                raise
            return Trial(HyperParameters(), "", TrialStatus.STOPPED)
        self.attempt = int(dict(call.initial_metadata())[ATTEMPT])
        return Trial.from_proto(response.trial)

    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Trial:
        """Tell the score of a trial; a LostLeaseError says that it is no longer this worker's."""
        request = protos.get_service().UpdateTrialRequest(trial_id=trial_id, metrics=metrics, step=step)
        return Trial.from_proto(self._ask("UpdateTrial", request)[0].trial)

    def end_trial(self, trial: Trial) -> None:
        """Tell how a trial ended."""
        self._ask("EndTrial", protos.get_service().EndTrialRequest(trial=trial.to_proto()))

    def get_trial(self, trial_id: str) -> Trial:
        """Ask for a trial."""
        return Trial.from_proto(self._ask("GetTrial", protos.get_service().GetTrialRequest(trial_id=trial_id))[0].trial)

    def _ask(self, name: str, request: Any) -> tuple[Any, grpc.Call]:
        """Make a call, again and again while the chief is away."""
        until, is_told = time.monotonic() + self.patience, False
        caller = Caller(self.tuner_id, self.session, self.attempt)
        while True:
            try:
                said = identity(self.access, caller)
                return getattr(self.stub, name).with_call(request, metadata=said, timeout=ANSWER)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                    raise LostLeaseError(error.details()) from error
                if error.code() not in AWAY:
                    raise FatalValueError(f"The chief at {self.access.address} refuses: {error.details()}.") from error
                if time.monotonic() > until or self.leaving.is_set():
                    raise FatalValueError(
                        f"No chief answers at {self.access.address}. Start it, or see to the address and the network; "
                        "--wait gives the seconds to wait for it."
                    ) from error
            if not is_told:
                print(f"waiting for the chief at {self.access.address}", flush=True)
                is_told = True
            self.leaving.wait(AGAIN)
            self._follow()

    def _follow(self) -> None:
        """Turn to where the chief is now: it may have been started again on another machine, or have ended."""
        with contextlib.suppress(OSError, ValueError):
            found = self.find()
            if found.address is None:
                self.is_over = True
                raise LostLeaseError("the search has ended")
            if found != self.access:
                self.access = found
                self.stub = protos.get_service_grpc().OracleStub(open_channel(found))


def open_channel(access: Access) -> grpc.Channel:
    """Open a channel to a chief, encrypted where it has a certificate, which is the only one that is trusted."""
    if access.certificate is None:
        return grpc.insecure_channel(access.address, CHANNEL)
    return grpc.secure_channel(access.address, grpc.ssl_channel_credentials(access.certificate.encode()), CHANNEL)
