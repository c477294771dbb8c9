"""The chief's service over a network: for those who know the secret, and unlocked whatever else is called."""

import concurrent.futures
import os
import types

import grpc
import pytest
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.errors import FatalValueError
from keras_tuner.src import protos

from tuning.engine.access import ACCESS_FILE, Access, Caller, LostLeaseError, identity, open_access, read_access
from tuning.engine.chief import Chief
from tuning.engine.client import ChiefClient
from tuning.engine.pool import check_fault
from tuning.engine.service import listen
from tuning.engine.tuners import make_oracle

FOUR = {"activation": ["relu", "gelu"], "shortcut": ["A", "B"]}


@pytest.fixture
def served(study, tmp_path):
    """Serve the chief of a study; give it and how to reach it."""
    chief = Chief(make_oracle(study(FOUR), 2), tmp_path / "study")
    access = open_access(chief.folder, None)
    server, address = listen(chief, access)
    yield types.SimpleNamespace(chief=chief, access=access._replace(address=address))
    server.stop(None).wait()


def client(access: Access, name: str = "one") -> ChiefClient:
    return ChiefClient(types.SimpleNamespace(), access, name, patience=0.0)


def test_worker_takes_a_trial_and_ends_it(served):
    worker = client(served.access)
    trial = worker.create_trial("one")
    assert (trial.status, worker.attempt) == (TrialStatus.RUNNING, 1)
    assert worker.get_trial(trial.trial_id).hyperparameters.values == trial.hyperparameters.values
    worker.update_trial(trial.trial_id, {"accuracy": 0.75})
    trial.hyperparameters.values["activation"] = "elu"  # a worker has no say in it
    trial.status = TrialStatus.COMPLETED
    worker.end_trial(trial)
    (kept,) = served.chief.oracle.trials.values()
    assert (kept.status, kept.score, kept.hyperparameters.values["activation"]) == ("COMPLETED", 0.75, "relu")
    with pytest.raises(LostLeaseError):
        worker.end_trial(trial)


def test_worker_that_has_lost_its_trial_hears_so(served):
    worker = client(served.access)
    trial = worker.create_trial("one")
    served.chief.release("one")
    with pytest.raises(LostLeaseError, match="worker one does not hold trial '0000' at attempt 1"):
        worker.get_trial(trial.trial_id)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"secret": ""}, "the secret is another than that in the study folder's chief.json"),
        ({"secret": "0" * 64}, "the secret is another"),
        ({"study": "another"}, "this chief serves another study"),
    ],
)
def test_stranger_is_refused(served, wrong, sentence):
    with pytest.raises(FatalValueError, match=sentence):
        client(served.access._replace(**wrong)).create_trial("one")
    assert served.chief.oracle.trials == {}


def test_bare_client_of_keras_tuner_is_refused(served):
    stub = protos.get_service_grpc().OracleStub(grpc.insecure_channel(served.access.address))
    service = protos.get_service()
    for call, request in (
        (stub.GetSpace, service.GetSpaceRequest()),
        (stub.CreateTrial, service.CreateTrialRequest(tuner_id="one")),
        (stub.UpdateTrial, service.UpdateTrialRequest(trial_id="0000", metrics={"accuracy": 1.0})),
        (stub.GetBestTrials, service.GetBestTrialsRequest(num_trials=1)),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=20)
        assert refused.value.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED)
    assert served.chief.oracle.trials == {}


def test_bad_calls_leave_the_chief_open(served):
    """The study of a chief that is called with an unknown trial went on with one thread less, or none."""
    stub = protos.get_service_grpc().OracleStub(grpc.insecure_channel(served.access.address))
    service = protos.get_service()
    said = identity(served.access, Caller("stranger", "any", 7))
    for call, request in (
        (stub.UpdateTrial, service.UpdateTrialRequest(trial_id="none", metrics={"accuracy": 1.0})),
        (stub.GetTrial, service.GetTrialRequest(trial_id="none")),
        (stub.EndTrial, service.EndTrialRequest()),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call(request, metadata=said, timeout=20)
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        workers = [client(served.access, f"host-{place}") for place in range(8)]
        trials = list(pool.map(lambda worker: worker.create_trial(worker.tuner_id), workers))
    running = [trial.trial_id for trial in trials if trial.status == TrialStatus.RUNNING]
    assert sorted(running) == ["0000", "0001", "0002", "0003"]
    assert served.chief.oracle.fault is None


def test_worker_does_not_wait_for_a_chief_without_end():
    with pytest.raises(FatalValueError, match=r"No chief answers at 127\.0\.0\.1:9\. Start it, or see to the address"):
        client(Access("study", "secret", "127.0.0.1:9")).create_trial("one")


def test_secret_is_for_the_owner_of_the_folder_and_stays(tmp_path):
    access = open_access(tmp_path, "host:7000")
    assert os.stat(tmp_path / ACCESS_FILE).st_mode & 0o777 == 0o600
    assert len(access.secret) == 64 and read_access(tmp_path) == access
    assert open_access(tmp_path, "other:7000") == access._replace(address="other:7000")
    assert open_access(tmp_path.parent, None).secret != access.secret


def test_fault_that_ends_the_search_is_told(tmp_path):
    chief = types.SimpleNamespace(folder=tmp_path, oracle=types.SimpleNamespace(fault="ZeroDivisionError: by zero"))
    with pytest.raises(ValueError, match="The search stopped: ZeroDivisionError: by zero The same command"):
        check_fault(chief)


def test_address_that_cannot_be_listened_at_is_refused():
    with pytest.raises(ValueError, match=r"Cannot listen at 192\.0\.2\.1:7: is it an address of this machine"):
        listen(types.SimpleNamespace(), Access("study", "secret", "192.0.2.1:7"))


def test_two_studies_do_not_share_a_port():
    server, address = listen(types.SimpleNamespace(), Access("study", "secret"))
    try:
        with pytest.raises(ValueError, match=f"Cannot listen at {address}: is it an address of this machine"):
            listen(types.SimpleNamespace(), Access("other", "secret", address))
    finally:
        server.stop(None).wait()
