"""The chief's service over a network: for those who know the secret, and unlocked whatever else is called."""

import concurrent.futures
import os
import shutil
import socket
import subprocess
import types

import grpc
import pytest
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.errors import FatalValueError
from keras_tuner.src import protos

from tuning.engine.access import (
    ACCESS_FILE,
    Access,
    Caller,
    LostLeaseError,
    identity,
    open_access,
    read_access,
    why_refused,
)
from tuning.engine.chief import Chief
from tuning.engine.client import ChiefClient
from tuning.engine.pool import check_fault
from tuning.engine.service import Outside, listen, open_to, reachable
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


@pytest.mark.parametrize(
    "wrong", [Caller("", "any", 0), Caller("../worker", "any", 0), Caller("one", "", 0), Caller("one", "any", -1)]
)
def test_call_that_does_not_say_who_makes_it_is_refused(wrong):
    access = Access("study", "secret")
    assert why_refused(access, dict(identity(access, Caller("one", "any", 0)))) is None
    assert why_refused(access, dict(identity(access, wrong))) == "the call does not say which worker makes it"


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


def test_worker_follows_a_chief_that_was_started_again_elsewhere(served):
    before = served.access._replace(address=f"127.0.0.1:{free_port()}")
    worker = ChiefClient(types.SimpleNamespace(), before, "one", patience=60.0, find=lambda: served.access)
    assert worker.create_trial("one").status == TrialStatus.RUNNING
    assert worker.access == served.access


def test_worker_that_comes_back_after_the_end_ends_too(served):
    gone = served.access._replace(address=f"127.0.0.1:{free_port()}")
    worker = ChiefClient(types.SimpleNamespace(), gone, "one", 60.0, find=lambda: gone._replace(address=None))
    with pytest.raises(LostLeaseError, match="the search has ended"):
        worker.get_trial("0000")
    assert worker.create_trial("one").status == TrialStatus.STOPPED


def test_secret_is_for_the_owner_of_the_folder_and_stays(tmp_path):
    access = open_access(tmp_path, "host:7000")
    assert os.stat(tmp_path / ACCESS_FILE).st_mode & 0o777 == 0o600
    assert len(access.secret) == 64 and read_access(tmp_path) == access
    assert open_access(tmp_path, "other:7000") == access._replace(address="other:7000")
    assert open_access(tmp_path.parent, None).secret != access.secret


def make_certificate(folder, name: str) -> Outside:
    """Make a certificate for 127.0.0.1 that signs itself."""
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=chief", "-days", "2"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(chain)]
    subprocess.run(["openssl", "req", "-x509", *made, *names], check=True, capture_output=True)
    return Outside(f"127.0.0.1:{free_port()}", chain, key)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, which makes the certificate")
def test_calls_are_encrypted_by_the_certificate_that_the_study_folder_names(study, tmp_path):
    outside, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "two")
    chief = Chief(make_oracle(study(FOUR), 2), tmp_path / "study")
    server, _ = listen(chief, open_to(chief.folder, outside), outside)
    try:
        access = read_access(chief.folder)
        assert access.address == outside.address and client(access).create_trial("one").status == TrialStatus.RUNNING
        for wrong in (None, other.chain.read_text(encoding="utf-8")):
            with pytest.raises(FatalValueError, match="No chief answers at"):
                client(access._replace(certificate=wrong)).create_trial("one")
        assert len(chief.oracle.trials) == 1
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("swapped", [True, False])
def test_file_that_is_no_certificate_is_named(tmp_path, swapped):
    key, chain = tmp_path / "key", tmp_path / "chain"
    key.write_text("-----BEGIN CERTIFICATE-----" if swapped else "-----BEGIN PRIVATE KEY-----", encoding="utf-8")
    with pytest.raises(ValueError, match=f"{key if swapped else chain} is no file in PEM with a .*--tls"):
        listen(types.SimpleNamespace(), Access("study", "secret"), Outside("127.0.0.1:0", chain, key))


def test_chief_that_listens_at_all_addresses_is_known_by_its_name():
    assert reachable("10.0.0.1:7000") == "10.0.0.1:7000"
    for every in ("0.0.0.0:7000", "[::]:7000"):
        assert reachable(every) == f"{socket.getfqdn()}:7000"


def test_fault_that_ends_the_search_is_told(tmp_path):
    chief = types.SimpleNamespace(folder=tmp_path, oracle=types.SimpleNamespace(fault="ZeroDivisionError: by zero"))
    with pytest.raises(ValueError, match="The search stopped: ZeroDivisionError: by zero The same command"):
        check_fault(chief)


def test_address_that_cannot_be_listened_at_is_refused():
    with pytest.raises(ValueError, match=r"Cannot listen at 192\.0\.2\.1:7: is it an address of this machine"):
        listen(types.SimpleNamespace(), Access("study", "secret"), Outside("192.0.2.1:7"))


def test_two_studies_do_not_share_a_port():
    server, address = listen(types.SimpleNamespace(), Access("study", "secret"))
    try:
        with pytest.raises(ValueError, match=f"Cannot listen at {address}: is it an address of this machine"):
            listen(types.SimpleNamespace(), Access("other", "secret"), Outside(address))
    finally:
        server.stop(None).wait()
