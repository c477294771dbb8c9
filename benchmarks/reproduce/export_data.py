"""Write the raw images of a data set as arrays, for machines that have neither TensorFlow nor TFDS.

    python benchmarks/reproduce/export_data.py cifar10 --data-dir DIR -o cifar10.npz
    python benchmarks/reproduce/export_data.py cifar10 --data-dir DIR -o cifar10.npz --parts 4    at most 64 MiB each

Any set of labelled images that TFDS has prepared, all of one size, with splits `train` and `test`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: list of str; default those of the process.

    Returns:
        int, the exit status.
    """
    options = parse(arguments)
    # The first lines of TensorFlow are not for the user.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = os.environ.get("TF_CPP_MIN_LOG_LEVEL") or "3"
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    try:
        written = export(options.dataset, options.data_dir, options.output, options.parts)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="name in TFDS")
    parser.add_argument("--data-dir", type=Path, help="where TFDS keeps its data")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--parts", type=int, default=1, choices=range(1, 100), metavar="N", help="files (default 1)")
    return parser.parse_args(arguments)


def export(dataset: str, data_dir: Path | None, output: Path, parts: int) -> list[Path]:
    """Read a data set by TFDS and write it."""
    from data import SPLITS, Images, write_images
    from training.config import make_config
    from training.data.datasets import open_source

    if output.suffix != ".npz":
        raise ValueError(f"the file must end in .npz; received {output}.")
    fields = {"dataset": dataset, "data_dir": data_dir, "data.train_split": SPLITS[0], "test_split": SPLITS[1]}
    source = open_source(make_config({**fields, "epochs": 1}).data)
    if source.is_encoded:
        raise ValueError(f"{dataset!r} holds images of several sizes: {source.shape}. Arrays need one size.")
    splits = []
    for split in SPLITS:
        batches = [*source.examples(split).batch(1000).as_numpy_iterator()]
        splits.append(tuple(np.concatenate(arrays) for arrays in zip(*batches)))
    return write_images(output, Images(dataset, source.classes, *splits), parts)


if __name__ == "__main__":
    sys.exit(main())
