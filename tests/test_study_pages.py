"""How reports of the packaged studies come into the docs: `make studies`."""

import runpy
from types import SimpleNamespace

import pytest

from tests.shared import ROOT

PAGE = """# Degradation

![errors](pictures/training.png)

study.yaml holds all settings

python -m tuning --config degradation/study.yaml
"""


def read(file):
    return file.read_text(encoding="utf-8")


@pytest.fixture
def study_pages(tmp_path):
    """The function that publishes a study, its folder and the pages."""
    folder, pages = tmp_path / "runs" / "degradation", tmp_path / "pages"
    (folder / "pictures").mkdir(parents=True)
    pages.mkdir()
    (folder / "report.md").write_text(PAGE, encoding="utf-8")
    (folder / "pictures" / "training.png").write_bytes(b"a picture")
    (pages / "README.md").write_text("Report of `degradation`: not run yet.\n", encoding="utf-8")
    return runpy.run_path(str(ROOT / "docs" / "make_studies.py"))["publish"], folder, pages


@pytest.fixture
def asked(study_pages, monkeypatch):
    """The studies that were to be run, in place of being run: `gradients` fails, and `depth` is stopped by the user."""
    publish, folder, pages = study_pages
    names = publish.__globals__
    monkeypatch.setitem(names, "RUNS", folder.parent)
    monkeypatch.setitem(names, "PAGES", pages)
    ran = []

    def run(command, **_):
        ran.append(command[command.index("study") + 1])
        return SimpleNamespace(returncode={"gradients": 1, "depth": 130}.get(ran[-1], 0))

    monkeypatch.setattr("subprocess.run", run)
    return ran, names["main"], pages


def test_study_that_fails_keeps_no_other_from_being_made(asked):
    ran, main, pages = asked
    with pytest.raises(SystemExit, match=r"gradients: the study ended with status 1; .*\noptions: .*report\.md"):
        main(["gradients", "options", "degradation"])
    assert ran == ["gradients", "options", "degradation"] and (pages / "degradation.md").is_file()


def test_studies_end_where_the_user_stops_one(asked):
    ran, main, pages = asked
    with pytest.raises(SystemExit) as end:
        main(["depth", "degradation"])
    assert end.value.code == 130 and ran == ["depth"] and not (pages / "degradation.md").exists()


def test_study_that_is_not_known_is_named_in_a_sentence(asked, capsys):
    ran, main, _ = asked
    assert main(["degredation"]) == 1 and ran == []
    assert capsys.readouterr().err.startswith("error: ")


def test_page_that_cannot_be_written_is_named_and_leaves_the_one_before(asked, study_pages):
    _, main, pages = asked
    (pages / "pictures").write_text("no folder", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"^degradation: Cannot make the folder .*pictures: "):
        main(["degradation"])
    assert read(pages / "README.md") == "Report of `degradation`: not run yet.\n"


def test_pictures_of_an_earlier_report_go(study_pages):
    publish, folder, pages = study_pages
    (pages / "pictures").mkdir()
    for name in ("degradation-heat_map.png", "depth-heat_map.png"):
        (pages / "pictures" / name).write_bytes(b"a picture")
    publish("degradation", folder, pages)
    assert sorted(path.name for path in (pages / "pictures").iterdir()) == [
        "degradation-training.png",
        "depth-heat_map.png",
    ]


def test_report_of_a_study_goes_into_the_docs_with_its_pictures_and_a_link(study_pages):
    publish, folder, pages = study_pages
    for _ in range(2):  # the second time it is written anew
        publish("degradation", folder, pages)
    text = read(pages / "degradation.md")
    assert "(pictures/degradation-training.png)" in text and "tuning study degradation --workers 2" in text
    assert "tuning/studies/degradation.yaml holds all settings" in text and "--config" not in text
    assert (pages / "pictures" / "degradation-training.png").read_bytes() == b"a picture"
    assert read(pages / "README.md") == "Report of `degradation`: [degradation.md](degradation.md).\n"


def test_index_tells_what_became_of_the_claims(study_pages):
    publish, folder, pages = study_pages
    words = ("holds", "undecided", "the opposite holds", "holds", "undecided", "holds")
    table = "".join(f"| claim {place} | 3.1 % | {word} |\n" for place, word in enumerate(words))
    (folder / "report.md").write_text(f"{PAGE}\n{table}\n| holds | 0.5 |\n", encoding="utf-8")
    publish("degradation", folder, pages)
    found = "its claims, on digits: 3 hold, 2 undecided, 1 the other way round"
    assert read(pages / "README.md") == f"Report of `degradation`: [degradation.md](degradation.md); {found}.\n"


@pytest.mark.parametrize("fault", ["unfinished", "large", "unnamed"])
def test_report_that_does_not_fit_the_docs_changes_nothing(study_pages, fault):
    publish, folder, pages = study_pages
    if fault == "unfinished":
        (folder / "report.md").write_text(f"{PAGE}\n**This study is not finished: 1 trial.**\n", encoding="utf-8")
    elif fault == "large":
        (folder / "pictures" / "training.png").write_bytes(bytes(200_001))
    else:
        (pages / "README.md").write_text("Nothing.\n", encoding="utf-8")
    index = read(pages / "README.md")
    with pytest.raises(ValueError, match={"unfinished": "not finished", "large": "200,001"}.get(fault, "one line")):
        publish("degradation", folder, pages)
    assert [path.name for path in pages.iterdir()] == ["README.md"] and read(pages / "README.md") == index


def test_what_is_written_for_readers_is_what_reports_say():
    """The phrases that `docs/make_studies.py` looks for stand in the templates of reports."""
    templates = "".join(read(page) for page in (ROOT / "tuning" / "report" / "templates").glob("*.md.j2"))
    command = 'python -m tuning --config {{ quote(folder ~ "/study.yaml")'
    phrases = ("**This study is not finished", "study.yaml holds all settings", command)
    assert [phrase for phrase in phrases if phrase not in templates] == []
