"""Files and folders are written whole or not at all."""

import errno
import glob
import os
import resource
import signal
import time

import pytest

from keras_resnet.files import make_folder, prepare_place, remove_left, write_atomically


def fail_with(error: BaseException):
    """Make a writer that fails after a part of its work."""

    def write(path):
        path.write_text("half a fi", encoding="utf-8")
        raise error

    return write


def test_file_is_replaced_when_whole(tmp_path):
    path = tmp_path / "notes.txt"
    for text in ("old", "new"):
        write_atomically(path, lambda part, text=text: part.write_text(text, encoding="utf-8") and None)
        assert path.read_text(encoding="utf-8") == text
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_file_appears_only_when_whole(tmp_path):
    seen = []
    write_atomically(
        tmp_path / "a.png", lambda part: seen.append((part, (tmp_path / "a.png").exists())) or part.touch()
    )
    [(part, there)] = seen
    assert part.parent == tmp_path and part.suffix == ".png" and part.name.startswith(".") and not there


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (RuntimeError("first line\nsecond line"), "first line second line"),
    ],
    ids=["full disk", "other"],
)
def test_failed_write_leaves_the_old_file_and_says_so(tmp_path, error, reason):
    path = tmp_path / "notes.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(OSError) as failure:
        write_atomically(path, fail_with(error))
    assert str(failure.value) == f"Cannot save {path}: {reason}. What was saved before is untouched."
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_folder_appears_only_when_whole(tmp_path):
    def write(part):
        part.mkdir()
        (part / "inside.txt").write_text("all", encoding="utf-8")
        assert not (tmp_path / "folder").exists()

    write_atomically(tmp_path / "folder", write)
    assert (tmp_path / "folder" / "inside.txt").read_text(encoding="utf-8") == "all"
    assert os.listdir(tmp_path) == ["folder"]


def test_half_a_folder_does_not_stay(tmp_path):
    def write(part):
        part.mkdir()
        fail_with(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))(part / "inside.txt")

    with pytest.raises(OSError, match="No space left on device"):
        write_atomically(tmp_path / "folder", write)
    assert os.listdir(tmp_path) == []


def test_what_is_no_file_is_never_replaced(tmp_path):
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path, reason in ((pipe, "something else than a file stands there"), (folder, "a folder stands there")):
        with pytest.raises(OSError, match=reason):
            write_atomically(path, lambda part: part.touch())
    assert pipe.is_fifo() and sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


@pytest.mark.parametrize(("kind", "what"), [("folder", "a folder"), ("file", "a file")])
def test_what_another_process_writes_meanwhile_is_named_and_stays(tmp_path, kind, what):
    place = tmp_path / "folder"

    def write(part):
        part.mkdir()
        other = place / "other.txt" if kind == "folder" else place
        other.parent.mkdir(exist_ok=True)
        other.write_text("precious", encoding="utf-8")

    with pytest.raises(OSError) as failure:
        write_atomically(place, write)
    reason = f"another process has written {what} there meanwhile"
    assert str(failure.value) == f"Cannot save {place}: {reason}. What was saved before is untouched."
    assert [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()] == ["precious"]
    assert os.listdir(tmp_path) == ["folder"]


def write_and_wait(place) -> int:
    """Begin to write a folder in a process of its own, which waits to be killed; give its number."""
    if process := os.fork():
        until = time.monotonic() + 60
        while not list(place.parent.glob(".part-*/half")) and time.monotonic() < until:
            time.sleep(0.01)
        return process
    try:
        write_atomically(place, lambda part: (part.mkdir(), (part / "half").touch(), signal.pause()))
    finally:
        os._exit(1)


def test_what_a_killed_process_began_is_cleared_and_what_a_living_one_writes_is_not(tmp_path):
    place = tmp_path / "export"
    process = write_and_wait(place)
    prepare_place(place)
    assert len(os.listdir(tmp_path)) == 1
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    prepare_place(tmp_path / "other")
    assert len(os.listdir(tmp_path)) == 1  # which is of another place
    prepare_place(place)
    assert os.listdir(tmp_path) == []


def test_this_process_clears_all_but_what_it_is_writing(tmp_path):
    seen = []

    def write(part):
        part.mkdir()
        left = part.with_name(part.name.replace(part.name.split("-")[3], "0a1b2c3d"))
        left.mkdir()
        prepare_place(tmp_path / "folder")
        seen.extend([part.is_dir(), left.is_dir()])

    write_atomically(tmp_path / "folder", write)
    assert seen == [True, False] and os.listdir(tmp_path) == ["folder"]


def test_what_another_machine_began_goes_only_where_nobody_else_may_write_it(tmp_path):
    names = [
        ".part-0a1b2c3d-run[1].txt",
        ".part-ffffffff-1-0a1b2c3d-run[1].txt",
        ".part-0a1b2c3d-run1.txt",
        "run[1].txt",
    ]
    for name in names:
        (tmp_path / name).touch()
    remove_left(tmp_path, glob.escape("run[1].txt"))
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    remove_left(tmp_path, glob.escape("run[1].txt"), alone=True)
    assert sorted(os.listdir(tmp_path)) == sorted(names[2:])


def test_folder_that_cannot_be_made_is_named(tmp_path):
    make_folder(tmp_path / "new" / "folder")
    make_folder(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=rf"^Cannot make the folder {tmp_path}/file: File exists\.$"):
        make_folder(tmp_path / "file")


def test_link_still_points_to_what_was_written(tmp_path):
    target, link = tmp_path / "store" / "notes.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    link.symlink_to(target)
    write_atomically(link, lambda part: part.write_text("new", encoding="utf-8"))
    assert link.is_symlink() and target.read_text(encoding="utf-8") == "new"


def test_interrupt_leaves_nothing_half_written(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "notes.txt", fail_with(KeyboardInterrupt()))
    assert os.listdir(tmp_path) == []


def test_file_for_which_there_is_no_room_is_not_begun(tmp_path):
    path, limits = tmp_path / "notes.txt", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_text("old", encoding="utf-8")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Cannot save .*File too large"):
            write_atomically(path, lambda part: pytest.fail("was begun"), size=200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]
