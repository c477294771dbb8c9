"""Hosts that share a run: how they are found and meet, which images each reads, and what ends them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT
from tests.training.helpers import folder_config, write_image
from training.data.datasets import open_source
from training.data.facts import data_facts
from training.data.shares import Share
from training.hosts.addresses import Hosts, expand, hosts_of
from training.hosts.links import Link
from training.hosts.meeting import call, free_port, gather
from training.hosts.supervisor import JobError, Supervisor, differences, files_to_resume, worker_arguments
from training.hosts.worker import start_facts

TWO = ("--hosts", "a:1,b:2")


def test_hosts_are_those_of_the_options():
    assert hosts_of([*TWO, "--host-index", "1"], {}) == Hosts(("a:1", "b:2"), 1)
    assert hosts_of(["--hosts=[::1]:1, b:2", "--host-index=0"], {}) == Hosts(("[::1]:1", "b:2"), 0)
    assert hosts_of(["--epochs", "1"], {}) is None
    assert hosts_of(["--hosts", "a:1", "--host-index", "0"], {}) is None  # one host is none to share with


REFUSED = [
    ([*TWO], "--host-index is missing, the place of this host among --hosts."),
    (["--host-index", "0"], "--host-index is the place of this host among --hosts, which are not given."),
    ([*TWO, "--host-index", "2"], "--host-index must be 0 to 1, the place of this host in --hosts; received 2."),
    ([*TWO, "--host-index", "-1"], "--host-index must be a number from 0 on; received '-1'."),
    (["--hosts", "a:1,b", "--host-index", "0"], "--hosts takes HOST:PORT, as in node1:29400; received 'b'."),
    (["--hosts", "a:1,b:70000", "--host-index", "0"], "received 'b:70000'"),
    (["--hosts", "fe80::1,fe80::2", "--host-index", "0"], "received 'fe80::1'. An IPv6 address stands in brackets."),
    (["--hosts", "a:1,a:1", "--host-index", "0"], "each host has an address of its own"),
    (["--hosts", "auto"], "--hosts auto needs SLURM_STEP_NODELIST and SLURM_PROCID"),
    (["--hosts", "a:1", "--host-index", "1"], "--host-index must be 0, the place of this host in --hosts; received 1."),
    (["--hosts", "a", "--host-index", "0"], "--hosts takes HOST:PORT, as in node1:29400; received 'a'."),
    (
        ["--host-timeout", "9"],
        "--host-timeout is for the wait for other hosts, and --hosts is not given. Leave it out.",
    ),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED, ids=[sentence[-20:] for _, sentence in REFUSED])
def test_what_names_no_hosts_raises_an_error(arguments, sentence):
    with pytest.raises(ValueError) as error:
        hosts_of(arguments, {})
    assert sentence in str(error.value)


@pytest.mark.parametrize("environment", [{}, {"SLURM_STEP_NODELIST": "gpu[1-2]", "SLURM_PROCID": "0"}])
@pytest.mark.parametrize("index", [["--host-index", "1"], ["--host-index=1"]])
def test_place_of_a_host_is_not_given_where_the_scheduler_tells_it(environment, index):
    expected = (
        "--host-index 1 would be ignored: .* Leave --host-index out, or name the hosts, as in --hosts node1:29400"
    )
    with pytest.raises(ValueError, match=expected):
        hosts_of(["--hosts", "auto", *index], environment)


def test_slurm_tells_the_hosts():
    environment = {"SLURM_STEP_NODELIST": "gpu[08-10],login", "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4"}
    hosts = hosts_of(["--hosts", "auto"], {**environment, "SLURM_JOB_ID": "12345"})
    assert hosts == Hosts(tuple(f"{node}:31745" for node in ("gpu08", "gpu09", "gpu10", "login")), 2)
    with pytest.raises(ValueError, match="Slurm runs 8 tasks on 4 nodes; one on each"):
        hosts_of(["--hosts", "auto"], {**environment, "SLURM_STEP_NUM_TASKS": "8"})


@pytest.mark.parametrize(
    ("listed", "nodes"),
    [
        ("node1", "node1"),
        ("a,b-2", "a b-2"),
        ("n[1-3,7]", "n1 n2 n3 n7"),
        ("n[098-101]", "n098 n099 n100 n101"),
        ("r[1-2]n[3-4],x", "r1n3 r1n4 r2n3 r2n4 x"),
    ],
)
def test_lists_of_slurm_are_written_out(listed, nodes):
    assert list(expand(listed)) == nodes.split()


def test_kubernetes_tells_the_hosts():
    environment = {"JOB_COMPLETION_INDEX": "1", "HOSTNAME": "train-1", "JOB_COMPLETIONS": "3", "JOB_SERVICE": "pods"}
    assert hosts_of(["--hosts", "auto"], environment) == Hosts(tuple(f"train-{i}.pods:29400" for i in range(3)), 1)
    with pytest.raises(ValueError, match="JOB_SERVICE is not"):
        hosts_of(["--hosts", "auto"], {**environment, "JOB_SERVICE": ""})
    with pytest.raises(ValueError, match="HOSTNAME is 'node7' and does not end in -1, as the name of this pod"):
        hosts_of(["--hosts", "auto"], {**environment, "HOSTNAME": "node7"})  # as with hostNetwork


def test_worker_is_called_as_the_command_but_for_the_hosts(tmp_path):
    given = ["--hosts", "a:1,b:2", "--epochs", "2", "--host-index=1", "--run-dir", "run", "--resume"]
    assert worker_arguments(given, tmp_path) == ["--epochs", "2", "--resume", "--run-dir", str(tmp_path)]


@pytest.mark.parametrize(("batch", "hosts"), [(12, 1), (12, 2), (12, 3), (24, 4)])
def test_hosts_share_out_every_row_of_a_training_batch(batch, hosts):
    shares = [Share(host, hosts) for host in range(hosts)]
    rows = np.concatenate([share.rows(batch, False) for share in shares])
    np.testing.assert_array_equal(rows, np.arange(batch))  # in the order in which JAX puts them together
    pairs = [share.rows(batch, True) for share in shares]
    np.testing.assert_array_equal(np.sort(np.concatenate(pairs)), np.arange(batch))
    for own in pairs:
        np.testing.assert_array_equal(own + own[::-1], batch - 1)  # each beside the one that it is mixed with
    for parts in range(1, batch // hosts + 1):
        if batch // hosts % parts == 0:  # a learner takes the same parts of the batch as on one host
            np.testing.assert_array_equal(np.concatenate(pairs) % parts, np.arange(batch) % parts)


def test_hosts_share_out_every_example_of_an_epoch():
    examples = tf.data.Dataset.range(26).map(lambda index: (index + 100, (index, index * 2)))
    batches = []
    for host in range(2):
        own = list(Share(host, 2).of_training(examples, 8, False).as_numpy_iterator())
        assert [int(leading) for *_, leading in own] == [100] * 4 + [108] * 4 + [116] * 4
        assert all(two == 2 * one == 2 * (index - 100) for index, (one, two), _ in own)
        batches.append(np.reshape([index - 100 for index, *_ in own], (3, 4)))
    np.testing.assert_array_equal(np.concatenate(batches, axis=1), np.arange(24).reshape(3, 8))


@pytest.mark.parametrize(("count", "batch", "hosts"), [(20, 8, 2), (24, 8, 2), (27, 9, 3), (30, 12, 3), (6, 12, 2)])
def test_hosts_share_out_every_test_example(count, batch, hosts):
    own = np.stack([Share(host, hosts).of_test(count, batch) for host in range(hosts)])
    np.testing.assert_array_equal(own.sum(axis=0), 1)
    for first in range(0, count, batch):  # each of them an equal part of every batch, the last one too
        sizes = own[:, first : first + batch].sum(axis=1)
        assert set(sizes) == {min(batch, count - first) // hosts}


def meeting(tmp_path, *others: Hosts, patience: float = 3.0, files=list, hosts: Hosts):
    """Let other hosts call the first one; give what each of them, it too, returned or raised."""
    found: dict[int, object] = {}

    def note(place, function, *arguments):
        try:
            found[place] = function(*arguments)
        except ValueError as error:
            found[place] = str(error)

    threads = [threading.Thread(target=note, args=(0, gather, hosts, patience, files))]
    for place, other in enumerate(others, start=1):
        folder = tmp_path / str(place)
        folder.mkdir(exist_ok=True)
        threads.append(threading.Thread(target=note, args=(place, call, other, patience, folder)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def addresses(count: int) -> tuple[str, ...]:
    port = free_port()
    return tuple(f"127.0.0.1:{port + place}" for place in range(count))


def test_hosts_meet_and_get_the_files_of_the_first(tmp_path):
    three, content = addresses(3), np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "model.keras").write_bytes(content)
    (tmp_path / "empty.csv").write_bytes(b"")

    def knock(said: bytes) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(three[0][10:]))) as stranger:
            stranger.sendall(said)

    for said in (b"", b'{"host": Infinity, "hosts": []}\n', b'{"host": []}\n', b"[" * 100_000 + b"\n", b"[1]\n"):
        threading.Timer(0.2, knock, [said]).start()
    files = [tmp_path / "model.keras", tmp_path / "empty.csv"]
    found = meeting(tmp_path, Hosts(three, 1), Hosts(three, 2), files=lambda: files, hosts=Hosts(three, 0))
    links, service = found[0]
    assert sorted(links) == [1, 2] and service == found[1][1] == found[2][1]
    for place in (1, 2):
        assert (tmp_path / str(place) / "model.keras").read_bytes() == content
        assert (tmp_path / str(place) / "empty.csv").read_bytes() == b""
    links[1].send(agreed="data")
    (message,) = found[1][0].receive()
    assert message == {"agreed": "data"}
    links[2].close()
    assert list(found[2][0].receive()) == [] and not found[2][0].is_open


def test_host_that_is_missing_is_named_on_all_others(tmp_path):
    three = addresses(3)
    began = time.monotonic()
    found = meeting(tmp_path, Hosts(three, 2), patience=1.0, hosts=Hosts(three, 0))
    assert found[0] == found[1]
    assert found[0].startswith(f"Waited 1 s for host 1 ({three[1]}) at {three[0]}, in vain.")
    assert time.monotonic() - began < 10


def test_first_host_that_does_not_answer_is_named(tmp_path):
    two = addresses(2)
    with pytest.raises(ValueError, match=rf"Host 0 \({two[0]}\) did not answer for 1 s \(Connection refused\)\. Start"):
        call(Hosts(two, 1), 1.0, tmp_path)


def test_port_that_another_program_holds_is_named_on_every_host(tmp_path):
    two = addresses(2)
    with socket.create_server(("", int(two[0][10:]))) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0\n"), daemon=True).start()
        found = meeting(tmp_path, Hosts(two, 1), patience=1.0, hosts=Hosts(two, 0))
    assert found[0].startswith(f"Port {two[0][10:]} of this host is taken by another program; choose another")
    assert found[1].startswith(f"Host 0 ({two[0]}) has stopped answering, or what listens there is another program")


def test_hosts_with_other_lists_or_the_same_place_are_refused_on_both(tmp_path):
    two = addresses(2)
    (tmp_path / "lists").mkdir()
    found = meeting(tmp_path / "lists", Hosts((two[0], "other:1"), 1), hosts=Hosts(two, 0))
    assert found[0] == found[1]
    assert "Host 1 was started with --hosts 127.0.0.1" in found[0] and "give all the same list" in found[0]
    three = addresses(3)
    found = meeting(tmp_path, Hosts(three, 1), Hosts(three, 1), hosts=Hosts(three, 0))
    assert found[0] == found[1] == found[2]
    assert found[0].startswith("Two hosts were started with --host-index 1; give each its own place")


def greet(address: str, hosts: Hosts) -> socket.socket:
    """Call the first host, once it listens, and say who calls."""
    until = time.monotonic() + 10
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", int(address[10:])))
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.02)
    connection.sendall(json.dumps({"host": hosts.index, "hosts": list(hosts.addresses)}).encode() + b"\n")
    return connection


def test_host_that_was_started_again_takes_part_and_one_that_came_early_is_not_silent(tmp_path, monkeypatch):
    three, found = addresses(3), {}

    def gathered() -> None:
        found[0] = gather(Hosts(three, 0), 20.0, list)

    def called(index: int) -> None:
        found[index] = call(Hosts(three, index), 20.0, tmp_path)

    threads = [threading.Thread(target=gathered), *(threading.Thread(target=called, args=(index,)) for index in (1, 2))]
    threads[0].start()
    greet(three[0], Hosts(three, 1)).close()
    threads[1].start()
    time.sleep(1)  # for which host 1 waits and has nothing to say
    threads[2].start()
    for thread in threads:
        thread.join(30)
    links, service = found[0]
    assert service == found[1][1] == found[2][1]
    monkeypatch.setattr("training.hosts.supervisor.SILENCE", 0.5)
    Supervisor(Hosts(three, 0), tmp_path, links)._beat()


def test_host_that_goes_before_the_others_begin_is_named(tmp_path):
    two = addresses(2)
    threading.Thread(target=lambda: greet(two[0], Hosts(two, 1)).recv(1), daemon=True).start()
    found = meeting(tmp_path, hosts=Hosts(two, 0))
    assert found[0] == (
        f"Host 1 ({two[1]}) is gone: it was killed, or its machine or network failed. Start all hosts again."
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_host_that_cannot_write_what_it_is_given_says_so_on_all(tmp_path):
    three, full = addresses(3), tmp_path / "1" / "model.keras"
    full.parent.mkdir()
    full.symlink_to("/dev/full")
    (tmp_path / "model.keras").write_bytes(bytes(3_000_000))
    (tmp_path / "empty.csv").write_bytes(b"")
    files = [tmp_path / "model.keras", tmp_path / "empty.csv"]
    found = meeting(tmp_path, Hosts(three, 1), Hosts(three, 2), files=lambda: files, hosts=Hosts(three, 0))
    assert found[0] == found[1] == found[2]
    reason = f"{full} cannot be written: No space left on device. Make room, or set TMPDIR there."
    assert found[0] == f"Host 1 ({three[1]}) failed: {reason}"


def test_run_that_is_not_there_is_not_resumed_on_any_host(tmp_path):
    two, run_dir = addresses(2), tmp_path / "run"
    found = meeting(tmp_path, Hosts(two, 1), files=lambda: files_to_resume(run_dir), hosts=Hosts(two, 0))
    assert found[0] == found[1]
    assert found[0].startswith(f"{run_dir} of host 0 holds no run to resume, for it has no config.yaml. Correct")
    run_dir.mkdir()
    (run_dir / "config.yaml").touch()
    with pytest.raises(ValueError, match=r"it has no checkpoint\.weights\.h5"):
        files_to_resume(run_dir)
    (run_dir / "checkpoint.weights.h5").touch()
    (run_dir / "report.md").touch()
    assert files_to_resume(run_dir) == [run_dir / "config.yaml", run_dir / "checkpoint.weights.h5"]


def test_line_without_an_end_is_no_message():
    one, other = socket.socketpair()
    link = Link(one, 5)

    def send() -> None:
        with contextlib.suppress(OSError):
            other.sendall(b"x" * 3_000_000)

    threading.Thread(target=send, daemon=True).start()
    while link.is_open:
        assert list(link.receive()) == []
    link.close()


def test_settings_that_differ_are_named():
    assert differences({"epochs": 2, "seed": 0}, {"epochs": 3, "seed": 0}) == "epochs 3 instead of 2"
    assert differences({"a": 1}, {}) == "a None instead of 1"


def test_workers_go_on_where_all_say_the_same_and_the_job_ends_where_they_do_not(tmp_path):
    (own, worker), (here, other) = socket.socketpair(), socket.socketpair()
    supervisor = Supervisor(Hosts(("a:1", "b:2"), 0), tmp_path, {1: Link(here, 5)})
    supervisor.line = Link(own, 5)
    worker, other = Link(worker, 5), Link(other, 5)
    for link in (worker, other):
        link.send(about="settings", facts={"seed": 0})
    supervisor._read_worker()
    assert not worker.has_ended  # and hears nothing yet
    supervisor._read_host(1)
    assert worker.expect() == other.expect() == {"agreed": "settings"}
    worker.send(about="data", facts={"images to train on": 4, "labels": "ab"})
    other.send(about="data", facts={"images to train on": 4, "labels": "cd"})
    supervisor._read_host(1)
    sentence = r"Host 1 \(b:2\) has other data than host 0: labels 'cd' instead of 'ab'\."
    with pytest.raises(JobError, match=sentence):
        supervisor._read_worker()


@pytest.fixture
def facts(tmp_path):
    """Make the function that describes the data of a folder of two classes as a worker does."""
    for split in ("train", "val"):
        for seed, name in enumerate(("a/0", "a/1", "b/0", "b/1")):
            write_image(tmp_path / split / f"{name}.png", (8, 8), seed=seed)

    def read(**fields) -> dict:
        config = folder_config(tmp_path, **fields)
        return {**data_facts(open_source(config.data)), **start_facts(config)}

    return read


def rename_class(folder: Path) -> None:
    for split in ("train", "val"):
        (folder / split / "b").rename(folder / split / "c")


OTHERWISE = {
    "pixels to train on": (lambda folder: write_image(folder / "train/b/1.png", (8, 8), seed=9), {"first images"}),
    "pixels to test": (lambda folder: write_image(folder / "val/b/1.png", (8, 8), seed=9), {"first images"}),
    "a label": (lambda folder: (folder / "val/a/1.png").rename(folder / "val/b/2.png"), {"labels"}),
    "a name": (rename_class, {"names of classes"}),
    "one more": (lambda folder: write_image(folder / "train/b/2.png", (8, 8)), {"images to train on", "labels"}),
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_other_data_are_told_by_their_facts(facts, tmp_path, what):
    before = facts()
    assert facts() == before
    change, names = OTHERWISE[what]
    change(tmp_path)
    after = facts()
    assert names <= {name for name in before if before[name] != after[name]}


def test_other_weights_to_start_from_are_told_by_what_they_hold(facts, tmp_path):
    weights = tmp_path / "start.weights.h5"
    weights.write_bytes(b"one")
    before = facts(**{"start.weights": str(weights)})
    weights.write_bytes(b"other")
    after = facts(**{"start.weights": str(weights)})
    assert {name for name in before if before[name] != after[name]} == {"weights to start from"}


# A worker as a task of Slurm: which GPUs JAX is left with. On its own, it is all hosts.
SLURM_TASK = """
import socket, sys
import jax
from training.hosts.worker import Worker

own, other = socket.socketpair()
service = f"127.0.0.1:{sys.argv[1]}"
Worker({"host": 0, "hosts": 1, "service": service, "folder": None, "descriptor": own.detach()}).connect()
print(jax.process_count(), jax.config.values["jax_cuda_visible_devices"])
"""


@pytest.mark.slow
def test_worker_under_slurm_sees_all_gpus_of_its_host():
    pytest.importorskip("jax", reason="needs JAX: pip install 'keras-resnet-suite[jax]'")
    task = {"JOB_ID": "815", "STEP_NODELIST": "n1", "STEP_NUM_NODES": "1", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}
    environment = {f"SLURM_{name}": value for name, value in task.items()}
    done = run_python("-c", SLURM_TASK, free_port(), KERAS_BACKEND="jax", JAX_PLATFORMS="cpu", **environment)
    assert done.stdout.splitlines()[-1] == "1 all"


# What a supervisor starts in the place of Python: a worker that agrees, and then does what it is told.
WORKER = """
import json, os, signal, socket, sys, time
is_deaf = os.environ["DOES"].startswith("deaf")
signal.signal(signal.SIGINT, signal.SIG_IGN if is_deaf else lambda *_: os._exit(130))
line = socket.socket(fileno=json.loads(os.environ["KERAS_RESNET_WORKER"])["descriptor"])
line.sendall(json.dumps({"about": "settings", "facts": {"seed": 0}}).encode() + b"\\n")
assert json.loads(line.recv(1000)) == {"agreed": "settings"}
print("2026: Look at this.", file=sys.stderr, flush=True)
time.sleep(2)  # for the other worker to say so too
match os.environ["DOES"]:
    case "fail":
        print("I0000 00:00 C++ says this", file=sys.stderr)
        sys.exit("error: The disk is full.")
    case "die":
        os.kill(os.getpid(), signal.SIGKILL)
    case "abort":
        print("F1127 00:00 the service has detected errors\\nRPC: a trace", file=sys.stderr, flush=True)
        os.abort()
    case "wait" | "deaf and wait":
        time.sleep(100)
"""

STOPPED, TOLD = "Host 0 ({0}) was stopped by its user.", "Host 1 ({1}) was told to end, by SIGTERM."
ENDS = {
    "both are done": (("done", "done"), None, (0, 0), None),
    "one fails": (("wait", "fail"), None, (1, 1), "Host 1 ({1}) failed: The disk is full."),
    "one is killed": (("die", "wait"), None, (1, 1), "Host 0 ({0}) failed: it was ended by SIGKILL."),
    "one aborts": (("abort", "wait"), None, (1, 1), "Host 0 ({0}) failed: it was ended by SIGABRT."),
    "one is silent": (("wait", "wait"), (1, signal.SIGSTOP), (1, None), "Host 1 ({1}) has been silent for 20 s: it"),
    "one is stopped": (("wait", "wait"), (0, signal.SIGINT), (130, 1), STOPPED),
    "one is stopped and deaf": (("deaf and wait", "wait"), (0, signal.SIGINT), (130, 1), STOPPED),
    "one is stopped and done": (("deaf and done", "wait"), (0, signal.SIGINT), (130, 1), STOPPED),
    "one is told to end": (("wait", "wait"), (1, signal.SIGTERM), (1, 143), TOLD),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ENDS)
def test_supervisors_end_together(case, tmp_path):
    does, sent, statuses, sentence = ENDS[case]
    two = addresses(2)
    worker = tmp_path / "worker"
    worker.write_text(f"#!{sys.executable}\n{WORKER}", encoding="utf-8")
    worker.chmod(0o755)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.executable = {str(worker)!r}", encoding="utf-8")
    path, started, temporary = os.pathsep.join(map(str, (tmp_path, ROOT))), [], tmp_path / "temporary"
    temporary.mkdir()
    for index, what in enumerate(does):
        own = ["--hosts", ",".join(two), "--host-index", str(index), "--run-dir", str(tmp_path / "run")]
        environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "jax", "TMPDIR": str(temporary), "DOES": what}
        command = [sys.executable, "-m", "training", *own]
        started.append(subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True))
    lines = [process.stderr.readline() for process in started]  # as said after both have agreed
    assert lines == ["2026: Look at this.\n"] * 2
    if sent:
        started[sent[0]].send_signal(sent[1])
    for process, status in zip(started, statuses, strict=True):
        if status is None:
            process.kill()
            process.communicate()
            continue
        said = process.communicate(timeout=60)[1]
        assert process.returncode == status
        if status == 1:
            assert said.startswith("error: " + sentence.format(*two)) and said.count("\n") == 1
        else:
            assert said == ""
    assert None in statuses or not list(temporary.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_host_that_is_ended_while_it_waits_leaves_nothing_behind(number, tmp_path):
    own = ["--hosts", ",".join(addresses(2)), "--host-index", "1", "--run-dir", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-m", "training", *own], env=environment, cwd=ROOT)
    until = time.monotonic() + 60
    while not list(tmp_path.iterdir()):  # its folder
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert not list(tmp_path.iterdir())
