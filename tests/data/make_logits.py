"""Write logits.json: what every network whose weights come with the package computes of ten images made by a formula.

Run it once when weights are added: `python tests/data/make_logits.py`.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras_resnet
from keras_resnet.weights.trained import files

LOGITS = Path(__file__).with_name("logits.json")


def images(count: int = 10, side: int = 32) -> np.ndarray:
    """Make images of waves: integers 0 to 255, of shape (count, side, side, 3), the same on every machine."""
    number, row, column, channel = np.ogrid[:count, :side, :side, :3]
    phase = (number + 1) * row * 3 + (channel + 2) * column * (number % 3 + 1) + 40 * channel * number
    return (np.abs(phase % 510 - 255)).astype("uint8")


def logits(path: Path) -> np.ndarray:
    """Compute the logits of the images by a file of weights."""
    model = keras_resnet.network_of(path, classifier_activation=None)
    prepared = keras_resnet.preprocess(images(side=model.preprocessing.size[0]), model)
    return np.asarray(model.predict_on_batch(prepared))


def main() -> None:
    """Write the file."""
    paths = [path for networks in files().values() for path in networks.values()]
    found = {path.stem: np.round(logits(path).astype("float64"), 4).tolist() for path in paths}
    LOGITS.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
