"""Draw docs/explanation.png: where the answers of the shipped ResNet-20 come from, for two photographs of scikit-learn.

The photographs are licensed under CC BY 2.0: china.jpg by danielbuechele, flower.jpg by vultilion.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_image

from keras_resnet.files import write_atomically
from training.command_line import run
from training.explaining import SHEET, explain_files
from training.prediction.classifiers import open_classifier

PICTURE = Path(__file__).with_name("explanation.png")
METHODS = ("grad_cam", "hires_cam", "smooth_grad", "occlusion")


def main() -> int:
    """Write the picture; what hinders that is said in a sentence."""
    return run({}, lambda _: draw(), [], "train")


def draw() -> None:
    """Explain both photographs by every method."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("china.png", "flower.png")]
        for path in paths:
            Image.fromarray(load_sample_image(path.with_suffix(".jpg").name)).save(path)
        list(explain_files(open_classifier("cifar10", "ResNet20"), paths, Path(folder), METHODS))
        picture = Path(folder, SHEET).read_bytes()
    write_atomically(PICTURE, lambda part: part.write_bytes(picture))


if __name__ == "__main__":
    sys.exit(main())
