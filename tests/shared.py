"""The folder of reference data that may lie beside the repository; no test needs it to exist."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared_file(relative: str) -> Path:
    """Find a file or folder of the reference data, or skip the test.

    Args:
        relative: str, path inside the folder.

    Returns:
        Path that exists, in `$KERAS_RESNET_SHARED` or else in `../shared` of the repository's root.
    """
    folders = [os.environ.get("KERAS_RESNET_SHARED"), ROOT.parent / "shared"]
    for path in (Path(folder) / relative for folder in folders if folder):
        if path.exists():
            return path
    pytest.skip(f"no reference data: {relative} is neither in $KERAS_RESNET_SHARED nor in ../shared")
