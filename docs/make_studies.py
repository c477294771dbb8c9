"""Run the packaged studies in their small form, and put their reports into docs/studies: `make studies`.

    python docs/make_studies.py [NAME ...]

The runs lie in build/studies; a study that was stopped goes on, and one that has ended is only written anew. Remove its
folder there to run it once more. A study that fails keeps no other from being made.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from keras_resnet.files import make_folder, write_atomically, write_text
from keras_resnet.interrupts import STATUS
from training.command_line import run
from tuning.packaged import STUDIES, packaged_study
from tuning.report.verdicts import HOLDS, OPEN, OPPOSITE
from tuning.report.wording import count_text

ROOT = Path(__file__).parents[1]
PAGES, RUNS = ROOT / "docs" / "studies", ROOT / "build" / "studies"
MOST = 200_000  # bytes of the pictures of a report
NOT_RUN = "not run yet"
FOUND = {HOLDS: ("holds", "hold"), OPEN: ("undecided",) * 2, OPPOSITE: ("the other way round",) * 2}


def main(names: list[str] | None = None) -> int:
    """Make the pages of studies; what hinders that is said in a sentence."""
    return run({}, make_all, names, "train,tune")


def make_all(names: list[str]) -> None:
    """Run studies, all unless some are named, and write their pages."""
    for name in names:
        packaged_study(name)  # an unknown one is refused before the first begins
    failed = [sentence for name in names or STUDIES if (sentence := make(name))]
    if failed:
        sys.exit("\n".join(failed))


def make(name: str) -> str | None:
    """Run a study and write its page; say in a sentence what hinders that, if anything does."""
    command = ["-m", "tuning", "study", name, "--study-dir", str(RUNS / name), "--workers", "2"]
    status = subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode
    if status == STATUS:
        sys.exit(status)  # the user has stopped it
    if status:
        return f"{name}: the study ended with status {status}; what it said stands above."
    try:
        publish(name, RUNS / name, PAGES)
    except (ValueError, OSError) as error:
        return f"{name}: {error}"
    return None


def publish(name: str, folder: Path, pages: Path) -> None:
    """Bring the report of a study to the pages, and link it from their index.

    Args:
        name: str, of the study.
        folder: Path of the study.
        pages: Path of the folder of the pages.

    Raises:
        ValueError: the study is not finished, its pictures are too large, or the index does not name it.
        OSError: a file cannot be written.
    """
    text = (folder / "report.md").read_text(encoding="utf-8")
    if "**This study is not finished" in text:
        raise ValueError(f"{folder} holds a study that is not finished; the same command goes on with it.")
    pictures = {picture: (folder / picture).read_bytes() for picture in re.findall(r"\]\((pictures/\w+\.png)\)", text)}
    if (size := sum(map(len, pictures.values()))) > MOST:
        raise ValueError(f"The pictures of {name} have {size:,} bytes together; at most {MOST:,} go into the docs.")
    index = linked((pages / "README.md").read_text(encoding="utf-8"), name, text)
    places = {pages / placed(picture, name): data for picture, data in pictures.items()}
    for place, data in places.items():
        make_folder(place.parent)
        write_atomically(place, lambda part, data=data: part.write_bytes(data))
    for left in {*(pages / "pictures").glob(f"{name}-*.png")} - places.keys():
        left.unlink()  # of a report that had more of them
    write_text(pages / f"{name}.md", as_page(text, name, folder))
    write_text(pages / "README.md", index)


def placed(picture: str, name: str) -> str:
    """Tell where a picture of a study stands beside those of the others."""
    return picture.replace("pictures/", f"pictures/{name}-")


def as_page(text: str, name: str, folder: Path) -> str:
    """Write a report for readers who have the package, but not the study's folder."""
    own = {
        "](pictures/": f"](pictures/{name}-",
        "study.yaml holds all settings": f"tuning/studies/{name}.yaml holds all settings",
        f"python -m tuning --config {folder.name}/study.yaml": f"python -m tuning study {name} --workers 2",
    }
    for there, here in own.items():
        text = text.replace(there, here)
    return text


def linked(index: str, name: str, text: str) -> str:
    """Link the report of a study in the line of the index that says whether there is one, and tell what it found."""
    line = f"Report of `{name}`: [{name}.md]({name}.md){found(text)}."
    page, count = re.subn(rf"^Report of `{name}`: .*\.$", line, index, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"docs/studies/README.md needs one line 'Report of `{name}`: {NOT_RUN}.'; found {count}.")
    return page


def found(text: str) -> str:
    """Count the verdicts that end the lines of a report's table of claims."""
    counts = {word: len(re.findall(rf"\| {word} \|$", text, re.MULTILINE)) for word in FOUND}
    told = ", ".join(count_text(count, *FOUND[word]) for word, count in counts.items() if count)
    return told and f"; its claims, on digits: {told}"


if __name__ == "__main__":
    sys.exit(main())
