"""Names by which classes are shown: where they come from, where they appear, and what is said of bad ones."""

import numpy as np
import pytest

from tests.training.helpers import folder_config
from training.config import make_config
from training.data.arrays import make_arrays
from training.data.datasets import open_source
from training.run import train
from training.run_folder import RunFolder

ANIMALS = {"cat": "Siamese cat, Siamese", "dog": "English springer"}


def names_of(given) -> dict[str, str]:
    return make_config({"epochs": 1, "data.display_names": given}).data.display_names


FILES = {
    "names.csv": 'class,name\ncat,"Siamese cat, Siamese"\ndog,English springer\n',
    "order.csv": '\ufeffname,wnid,class\r\n"Siamese cat, Siamese",n1,cat\r\nEnglish springer,n2,dog\r\n',
    "names.yaml": "cat: Siamese cat, Siamese\ndog: English springer\n",
    "names.json": '{"cat": "Siamese cat, Siamese", "dog": "English springer"}',
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_once_and_the_configuration_holds_its_names(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    assert names_of(str(path)) == names_of(path) == ANIMALS
    assert names_of({10: "ten", "cat": "Cat"}) == {"10": "ten", "cat": "Cat"}
    assert names_of({}) == {}


def test_classes_that_are_numbers_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "names.yaml"
    path.write_text("010: ten\n'1': one\nno: Norway\n", encoding="utf-8")
    assert names_of(path) == {"010": "ten", "1": "one", "no": "Norway"}


BAD = {
    "missing.csv": (None, r"missing\.csv cannot be read \(No such file or directory\); it must be a CSV file with the"),
    "header.csv": ("cat,Cat\n", r"header\.csv cannot be read \(its first line is 'cat,Cat'\)"),
    "columns.csv": ("class,name\ncat,Siamese, cat\n", r"\(line 2 has another number of columns than the first\)"),
    "short.csv": ("class,name\ncat\n", r"\(line 2 has another number of columns than the first\)"),
    "twice.csv": ("class,name\ncat,a\ncat,b\n", r"twice\.csv names the class 'cat' twice; remove one of the lines"),
    "twice.yaml": ("cat: a\ncat: b\n", r"twice\.yaml names the class 'cat' twice"),
    "empty.csv": ("class,name\n", r"empty\.csv names no class"),
    "nothing.csv": ("class,name\ncat,\n", r"a class or a name with nothing in it, beside 'cat'; fill or remove it"),
    "list.yaml": ("- cat\n- dog\n", r"list\.yaml cannot be read \(it holds no mapping\)"),
    "nested.yaml": ("cat: [a, b]\n", r"nested\.yaml cannot be read \(line 1 does not name one class\)"),
    "syntax.yaml": ("cat: [a\n", r"syntax\.yaml cannot be read \(while parsing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_a_sentence(tmp_path, name):
    text, sentence = BAD[name]
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"^data\.display_names: .*{sentence}") as refusal:
        names_of(str(tmp_path / name))
    assert "\n" not in str(refusal.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "names.csv").write_bytes(b"class,name\ncat,\xff\n")
    with pytest.raises(ValueError, match=r"names\.csv cannot be read \('utf-8' codec can't decode"):
        names_of(tmp_path / "names.csv")


def test_what_is_neither_file_nor_mapping_is_refused():
    with pytest.raises(ValueError, match=r"data\.display_names: Input should be a valid dictionary; received 3"):
        names_of(3)
    with pytest.raises(ValueError, match=r"Input should be a valid string; received \['a'\]"):
        names_of({"cat": ["a"]})


def test_classes_are_shown_by_their_names_in_the_order_of_the_folders(image_dir):
    source = open_source(folder_config(image_dir, **{"data.display_names": {**ANIMALS, "horse": "Shire"}}).data)
    assert source.classes == ("Siamese cat, Siamese", "English springer")
    plain = open_source(folder_config(image_dir).data)
    np.testing.assert_array_equal(source.labels("train"), plain.labels("train"))


def test_classes_of_arrays_and_registered_sets_are_named_too(tiny):
    words = dict(zip("0123456789", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]))
    assert open_source(tiny(**{"data.display_names": words}).data).classes == tuple(words.values())
    arrays = make_arrays((np.zeros((2, 4, 4, 1), "uint8"), [0, 1]), (np.zeros((2, 4, 4, 1), "uint8"), [0, 1]))
    config = make_config({"epochs": 1, "dataset": "arrays", "data.display_names": words})
    assert open_source(config.data, arrays).classes == ("zero", "one")


def test_classes_that_have_these_names_keep_them(image_dir):
    config = folder_config(image_dir, **{"data.display_names": {"n1": "cat", "n2": "dog", "n3": "horse"}})
    assert open_source(config.data).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"cat": "Cat"}, r"^display_names names 1 classes, and of this data set not dog\. Name all classes, or leave"),
        ({"cat": "pet", "dog": "pet"}, r"^display_names calls cat and dog the same, 'pet'\. Give each class a name of"),
        ({"cat": "a\nb", "dog": "c"}, r"class name 'a\\nb' has a line break in it"),
    ],
)
def test_names_that_do_not_fit_the_classes_are_refused(image_dir, names, sentence):
    with pytest.raises(ValueError, match=sentence):
        open_source(folder_config(image_dir, **{"data.display_names": names}).data)


@pytest.mark.slow
def test_run_predicts_exports_and_is_evaluated_by_the_names(image_dir, tmp_path, said):
    names = tmp_path / "names.csv"
    names.write_text(FILES["names.csv"], encoding="utf-8")
    folder = RunFolder(tmp_path / "run")
    train(folder_config(image_dir, **{"data.display_names": names}, network="ResNet8"), folder)
    names.unlink()
    assert folder.read_labels() == list(ANIMALS.values())
    assert folder.read_config().data.display_names == ANIMALS
    assert "English springer" in said("predict", folder.path, image_dir / "val" / "dog" / "0.png")
    assert "examples 3" in said("evaluate", folder.path, "--to", tmp_path / "pages")
    assert "English springer" in (tmp_path / "pages" / "classes.csv").read_text(encoding="utf-8")
