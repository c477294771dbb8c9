"""Image files that a run leaves out as it cannot read them: a list in its folder, by which it goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from keras_resnet.files import write_text
from training.data.image_files import shortened
from training.run_folder import RunFolder

if TYPE_CHECKING:
    from training.data.datasets import Source


def write_skipped(folder: RunFolder, source: Source) -> None:
    """Write which files a run leaves out, if it may leave out any; as JSON, for names may hold any bytes."""
    if source.skipped is not None:
        write_text(folder.skipped_file, json.dumps(source.skipped, indent=0))


def check_skipped(folder: RunFolder, source: Source) -> None:
    """Refuse to go on with a run while other images can be read than when it began: it would draw others."""
    if source.skipped is None:
        return
    before = json.loads(folder.skipped_file.read_text(encoding="utf-8")) if folder.skipped_file.is_file() else []
    if changed := sorted(set(before) ^ set(source.skipped)):
        raise ValueError(
            f"{folder.path} cannot be resumed: of the images that cannot be read, {shortened(changed)} changed since "
            "it began. Put back the files as they were, or start it anew with --overwrite."
        )
