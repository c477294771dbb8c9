"""Which image files are found: files, folders, patterns, and names on standard input."""

import io
import os

import pytest

from tests.training.helpers import write_image
from training.prediction.finding import find_images, read_names


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of folders of images, seen from within; other files lie beside them."""
    for name in ("b.png", "a.jpg", "summer/2.webp", "summer/1.png", "summer/.hidden.png", ".cache/0.png"):
        write_image(tmp_path / name, (4, 4))
    (tmp_path / "summer" / "notes.txt").write_text("no image", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["b.png", "a.jpg"], ["b.png", "a.jpg"]),
        (["."], ["a.jpg", "b.png", "summer/1.png", "summer/2.webp"]),
        (["summer", "b.png"], ["summer/1.png", "summer/2.webp", "b.png"]),
        (["*.png"], ["b.png"]),
        (["**/*.png"], ["b.png", "summer/1.png"]),
        (["s*"], ["summer/1.png", "summer/2.webp"]),
        (["summer/notes.txt", "none.png"], ["summer/notes.txt", "none.png"]),
    ],
)
def test_files_folders_and_patterns_are_found(photos, given, expected):
    assert [str(path) for path in find_images(given).paths] == expected


def test_file_whose_name_is_a_pattern_is_that_file(photos):
    write_image(photos / "[b].png", (4, 4))
    assert find_images([photos / "[b].png"]) == ([photos / "[b].png"], 1)


def test_files_of_a_folder_that_are_not_read_are_counted(photos, capsys):
    find_images([photos])
    assert capsys.readouterr().err.startswith(f"Not read in {photos}: .txt 1. Images are jpg, ")


def test_dead_link_in_a_folder_is_named_as_an_image_that_cannot_be_read(photos):
    (photos / "summer" / "z.jpg").symlink_to("nowhere")
    assert find_images([photos / "summer"]).paths[-1] == photos / "summer" / "z.jpg"


def found(*given, without=None) -> list[str]:
    return [str(path) for path in find_images(given, without=without).paths]


def test_links_lead_in_no_circles_and_no_image_is_found_twice(photos):
    (photos / "summer" / "again").symlink_to(photos)
    (photos / "summer" / "self.png").symlink_to("self.png")
    assert found("**/*.png") == ["b.png", "summer/1.png", "summer/self.png"]
    assert found("summer") == found("summer/**") == ["summer/1.png", "summer/2.webp", "summer/self.png"]


def test_pattern_finds_each_image_once_and_passes_over_folders_without(photos):
    for folder in ("winter", "summer/deep"):
        (photos / folder).mkdir()
    assert found("*") == ["a.jpg", "b.png", "summer/1.png", "summer/2.webp"]
    write_image(photos / "summer" / "deep" / "0.png", (4, 4))
    assert found("summer/**/*.png") == ["summer/1.png", "summer/deep/0.png"]
    assert found("summer/**/*") == ["summer/1.png", "summer/2.webp", "summer/deep/0.png", "summer/notes.txt"]
    with pytest.raises(ValueError, match=r"^No image in what 'w\*' matches \(jpg, .*\)\.$"):
        find_images(["w*"])


def test_pictures_of_an_earlier_call_are_no_images(photos):
    own = "summer/pictures/001.png"
    write_image(photos / own, (4, 4))
    for given in ("summer", "summer/**/*.png", "summer/*"):
        assert own in found(given)
        assert [name for name in found(given) if name != own] == found(given, without="summer/pictures")
    assert found(own, without="summer/pictures") == [own]
    assert found("summer/*.png", without=photos) == ["summer/1.png"]  # which lies within that folder, and not in it
    with pytest.raises(ValueError, match=r"^summer/pictures is given as images, and to write pictures into"):
        find_images(["summer/pictures"], without=photos / "summer" / "pictures")
    with pytest.raises(ValueError, match=r"^All that '\*\.png' matches lies in the folder of the pictures; "):
        find_images(["*.png"], without=photos)


def test_folder_that_cannot_be_read_is_not_passed_over(photos, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("summer"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="summer"):
        find_images([photos])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], r"No image is given: name files, folders, or patterns such as 'photos/\*\.jpg'; or - for names .*\."),
        (["*.gif"], r"No file matches '\*\.gif'\."),
        ([".cache/empty"], r"No image in \.cache/empty \(jpg, .*\)\."),
    ],
)
def test_nothing_to_classify_is_said(photos, given, sentence):
    (photos / ".cache" / "empty").mkdir()
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        find_images(given)


# Standard input.


class Pipe(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def read1(self, size=-1):
        return self.read(3)


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (b"", []),
        (b"a.png\nb c.png\n", ["a.png", "b c.png"]),
        (b"a.png\r\n\n  \nb.png", ["a.png", "b.png"]),
        (b"a\nb.png\0c.png\0", ["a\nb.png", "c.png"]),
        (b"\xe9.png\n", ["\udce9.png"]),
    ],
)
def test_names_are_read_a_line_each_or_ended_by_zeros(written, names):
    assert [str(path) for path in read_names(io.BytesIO(written))] == names
    assert [str(path) for path in read_names(Pipe(written))] == names or b"\0" in written


def test_names_on_standard_input_stand_in_their_place_and_are_read_as_they_are_needed(photos):
    pipe = io.BytesIO(b"*.png\nnone.png\n")
    found = find_images(["b.png", "-", "summer"], pipe)
    assert found.count is None and pipe.tell() == 0
    assert [str(path) for path in found.paths] == ["b.png", "*.png", "none.png", "summer/1.png", "summer/2.webp"]
    with pytest.raises(ValueError, match=r"^Standard input is given twice; give - once\.$"):
        find_images(["-", "b.png", "-"], pipe)
