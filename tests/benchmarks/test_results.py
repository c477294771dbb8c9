"""Results of runs: what is written is read, by one line a seed, whole, and never twice."""

import dataclasses
import errno
import os
import re
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest

from results import RESULTS, Result, append, read

RESULT = Result("resnet20", 0, 8.27, "CPU, 2 cores", "float32", 9000.5, "e3c82f9", "training")
HEADER = "row,seed,error,device,precision,seconds,commit,engine"


def test_results_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "results.csv"
    others = [dataclasses.replace(RESULT, **change) for change in ({"seed": 1}, {"engine": "jax"}, {"row": "plain20"})]
    for result in (RESULT, *others):
        append(path, result)
    assert read(path) == [RESULT, *others]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == [HEADER, 'resnet20,0,8.27,"CPU, 2 cores",float32,9000.5,e3c82f9,training']


def test_there_are_none_where_there_is_no_file(tmp_path):
    assert read(tmp_path / "results.csv") == []


def test_seed_that_is_there_raises_an_error_and_changes_nothing(tmp_path):
    path = tmp_path / "results.csv"
    append(path, RESULT)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"has seed 0 of row 'resnet20' at float32 by engine training already. Remove"):
        append(path, dataclasses.replace(RESULT, error=8.0, commit="other"))
    assert path.read_bytes() == before


def test_results_of_several_writers_are_all_there(tmp_path):
    path = tmp_path / "results.csv"
    results = [dataclasses.replace(RESULT, seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda result: append(path, result), results))
    assert sorted(result.seed for result in read(path)) == list(range(40))
    assert path.read_text(encoding="utf-8").count("row,seed") == 1


def test_line_without_its_end_is_ended_before_the_next(tmp_path):
    path = tmp_path / "results.csv"
    append(path, RESULT)
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    append(path, dataclasses.replace(RESULT, seed=1))
    assert [result.seed for result in read(path)] == [0, 1]


def test_full_disk_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "results.csv"
    append(path, RESULT)
    before, write = path.read_bytes(), os.write
    with (
        mock.patch("results.os.write", lambda place, data: write(place, data[:9])),
        pytest.raises(OSError) as failure,
    ):
        append(path, dataclasses.replace(RESULT, seed=1))
    reason = os.strerror(errno.ENOSPC)
    assert str(failure.value) == f"Cannot add a line to {path}: {reason}. Its lines before are untouched."
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("row", "", "row must be a text of one line; received ''."),
        ("device", "CPU\nfast", r"device must be a text of one line; received 'CPU\nfast'."),
        ("seed", -1, "seed must be an integer from 0; received -1."),
        ("seed", 1.0, "seed must be an integer from 0; received 1.0."),
        ("error", float("nan"), "error must be a number from 0 to 100, in %; received nan."),
        ("seconds", 0, "seconds must be above 0 and finite; received 0."),
        ("engine", "torch", "engine must be one of jax, training; received 'torch'."),
    ],
)
def test_value_that_cannot_be_raises_an_error(field, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(RESULT, **{field: value})


LINE = "resnet20,0,8.27,CPU,float32,9000.5,e3c82f9,training\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,seed\n", f"results.csv, line 1: the header must be {HEADER}; received row,seed."),
        (f"{HEADER}\nresnet20,0,8.27\n", "results.csv, line 2: a line has 8 values; received 3."),
        (f"{HEADER}\n{LINE}{LINE}", "results.csv, line 3: seed 0 of row 'resnet20' stands here a second time."),
        (f"{HEADER}\n{LINE.replace('8.27', 'good')}", "line 2: could not convert string to float: 'good'."),
        (f"{HEADER}\n{LINE.replace('8.27', '108')}", "line 2: error must be a number from 0 to 100, in %; received"),
        (f'{HEADER}\n"{LINE}', "results.csv, line 2: unexpected end of data."),
    ],
)
def test_damaged_file_raises_an_error_that_names_the_line(tmp_path, text, message):
    path = tmp_path / "results.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(message)):
        read(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=re.escape(message)):
        append(path, dataclasses.replace(RESULT, seed=1))
    assert path.read_bytes() == before


def test_published_results_are_whole():
    assert RESULTS.is_file()
    read(RESULTS)
