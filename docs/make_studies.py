"""Run the packaged studies in their small form, and put their reports into docs/studies: `make studies`.

    python docs/make_studies.py [NAME ...]

The runs lie in build/studies; a study that was stopped goes on, and one that has ended is only written anew. Remove its
folder there to run it once more.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tuning.packaged import STUDIES, packaged_study

ROOT = Path(__file__).parents[1]
PAGES, RUNS = ROOT / "docs" / "studies", ROOT / "build" / "studies"
MOST = 200_000  # bytes of the pictures of a report
NOT_RUN = "not run yet"


def main(names: list[str]) -> None:
    """Run studies, all unless some are named, and write their pages."""
    for name in names:
        packaged_study(name)  # an unknown one is refused before the first begins
    for name in names or STUDIES:
        command = ["-m", "tuning", "study", name, "--study-dir", str(RUNS / name), "--workers", "2"]
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
        publish(name, RUNS / name, PAGES)


def publish(name: str, folder: Path, pages: Path) -> None:
    """Bring the report of a study to the pages, and link it from their index.

    Args:
        name: str, of the study.
        folder: Path of the study.
        pages: Path of the folder of the pages.

    Raises:
        ValueError: the study is not finished, its pictures are too large, or the index does not name it.
    """
    text = (folder / "report.md").read_text(encoding="utf-8")
    if "**This study is not finished" in text:
        raise ValueError(f"{folder} holds a study that is not finished; the same command goes on with it.")
    pictures = {picture: (folder / picture).read_bytes() for picture in re.findall(r"\]\((pictures/\w+\.png)\)", text)}
    if (size := sum(map(len, pictures.values()))) > MOST:
        raise ValueError(f"The pictures of {name} have {size:,} bytes together; at most {MOST:,} go into the docs.")
    index = linked((pages / "README.md").read_text(encoding="utf-8"), name)
    for picture, data in pictures.items():
        place = pages / placed(picture, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (pages / f"{name}.md").write_text(as_page(text, name, folder), encoding="utf-8")
    (pages / "README.md").write_text(index, encoding="utf-8")


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


def linked(index: str, name: str) -> str:
    """Link the report of a study in the line of the index that says whether there is one."""
    page, count = re.subn(
        rf"^Report of `{name}`: .*\.$", f"Report of `{name}`: [{name}.md]({name}.md).", index, flags=re.MULTILINE
    )
    if count != 1:
        raise ValueError(f"docs/studies/README.md needs one line 'Report of `{name}`: {NOT_RUN}.'; found {count}.")
    return page


if __name__ == "__main__":
    main(sys.argv[1:])
