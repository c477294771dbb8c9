"""Names of classes, written and read again."""

import pytest

from keras_resnet.labels import read_labels, write_labels

# Everything but a newline and a carriage return at which `str.splitlines` ends a line.
NAMES = ["cat", "größer", "\u2028", "a\u2029b", "next\x85line", "\x0b\x0c\x1c\x1d\x1e", " spaced ", "", "🐕"]


@pytest.mark.parametrize("labels", [NAMES, NAMES[::-1], ["one"], [""]])
def test_labels_are_read_as_they_were_written(tmp_path, labels):
    write_labels(tmp_path / "labels.txt", labels)
    assert read_labels(tmp_path / "labels.txt") == labels


def test_labels_are_lines_of_text(tmp_path):
    write_labels(tmp_path / "labels.txt", ["größer", "dog"])
    assert (tmp_path / "labels.txt").read_bytes() == "größer\ndog\n".encode()


@pytest.mark.parametrize("name", ["two\nlines", "two\rlines", "end\n"])
def test_line_breaks_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"class name '.*\\[nr].*' has a line break in it; rename the class"):
        write_labels(tmp_path / "labels.txt", ["cat", name])
    assert not (tmp_path / "labels.txt").exists()


def test_names_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"class name 'caf\\udce9' is not text in UTF-8; rename the class"):
        write_labels(tmp_path / "labels.txt", ["caf\udce9"])


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"caf\xe9\n", "it is not text in UTF-8")])
def test_file_that_cannot_be_read_is_named(tmp_path, content, reason):
    path = tmp_path / "labels.txt"
    if content:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"Cannot read the names of the classes from {path}: {reason}.*; put back"):
        read_labels(path)


@pytest.mark.parametrize("content", ["größer\r\ndog\r\n", "\ufeffgrößer\ndog\n", "größer\ndog"])
def test_files_of_any_editor_are_read(tmp_path, content):
    (tmp_path / "labels.txt").write_bytes(content.encode())
    assert read_labels(tmp_path / "labels.txt") == ["größer", "dog"]


def test_numbers_are_no_names(tmp_path):
    with pytest.raises(ValueError, match=r"class name 0 is no text; give the names of classes as str"):
        write_labels(tmp_path / "labels.txt", range(3))
