"""Draw docs/augmentations.jpg, every augmentation of one photograph: `make figures`."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_image

from keras_resnet.files import write_atomically
from training.command_line import run
from training.data.augmentation import AUGMENTATIONS, Drawn
from training.data.augmentation.composition import augment
from training.data.augmentation.registry import Step

PICTURE = Path(__file__).with_name("augmentations.jpg")
SIDE, COLUMNS, MARGIN, CAPTION = 84, 7, 4, 13  # in pixels
# Numbers that show what an augmentation does, and parameters, where they are not the defaults. The first operations of
# the list are identity, auto_contrast, equalize, rotate, solarize.
SHOWN = {
    "random_resized_crop": ((0.1, 0.9, 0.3, 0.5), {}),
    "resize_crop": ((0.5, 0.3, 0.4), {"sides": (SIDE, 2 * SIDE)}),
    "flip": ((0.0,), {}),
    "pad_crop": ((0.9, 0.1), {"pixels": 12}),
    "rotate": ((0.9,), {}),
    "shear": ((0.9, 0.5), {}),
    "translate": ((0.1, 0.9), {"horizontal": 0.2, "vertical": 0.2}),
    "scale": ((0.1,), {}),
    "color_jitter": ((0.8, 0.7, 0.9, 0.7, 0.5), {"hue": 0.1}),
    "pca_color": ((0.95, 0.0, 0.3, 0.2), {"deviation": 0.5}),
    "grayscale": ((0.0,), {}),
    "random_erasing": ((0.1, 0.4, 0.3, 0.4, 0.5), {}),
    "cutout": ((0.5, 0.4), {"size": 36}),
    "auto_augment": ((18.5 / 25, 0.1, 0.9, 0.1, 0.1), {}),
    "rand_augment": ((4.5 / 14, 0.1, 3.5 / 14, 0.9, 0.0, 0.0, 0.0, 0.0), {"magnitude": 5}),
    "trivial_augment": ((6.5 / 14, 0.99, 0.1), {}),
    "mixup": ((0.0, 0.6), {"alpha": 1.0}),
    "cutmix": ((0.0, 0.6, 0.4, 0.6), {}),
}


def main() -> int:
    """Write the picture; what hinders that is said in a sentence."""
    return run({}, lambda _: draw(), [], "train")


def draw() -> None:
    """Write the picture."""
    photographs = [photograph("flower.jpg"), photograph("china.jpg")]
    images = [np.asarray(small(photographs[0]))] + [shown(name, *photographs) for name in AUGMENTATIONS]
    captions = ["(as it is)", *AUGMENTATIONS]
    rows = -(-len(images) // COLUMNS)
    height = SIDE + CAPTION + MARGIN
    sheet = Image.new("RGB", (COLUMNS * (SIDE + MARGIN) + MARGIN, rows * height + MARGIN), "white")
    drawing = ImageDraw.Draw(sheet)
    for place, image, caption in zip(itertools.count(), images, captions):
        row, column = divmod(place, COLUMNS)
        corner = MARGIN + column * (SIDE + MARGIN), MARGIN + row * height
        sheet.paste(Image.fromarray(image), corner)
        drawing.text((corner[0], corner[1] + SIDE), caption, "black", font_size=8)
    write_atomically(PICTURE, lambda part: sheet.save(part, quality=88))


def photograph(name: str) -> Image.Image:
    """Read a photograph that comes with scikit-learn, of medium size."""
    return Image.fromarray(load_sample_image(name)).resize((320, 214))


def small(image: Image.Image) -> Image.Image:
    """Cut the middle and bring it to the size that is shown."""
    left = (image.width - image.height) // 2
    return image.crop((left, 0, left + image.height, image.height)).resize((SIDE, SIDE))


def shown(name: str, image: Image.Image, other: Image.Image) -> np.ndarray:
    """Let the photograph go through an augmentation, in a batch with another one.

    Args:
        name: str.
        image: the photograph.
        other: the one that it may be mixed with.

    Returns:
        uint8 array of its pixels.
    """
    numbers, parameters = SHOWN[name]
    drawn = Drawn(np.array([numbers] * 2, "float32"), np.array([numbers] * 2, "float32"), 0)
    step = Step(name, parameters, drawn)
    if step.kind == "crop":
        single = Drawn(drawn.numbers[0], drawn.first[0], 0)
        made = step(np.asarray(image), single, (SIDE, SIDE))
    else:
        batch = np.stack([np.asarray(small(one), "float32") for one in (image, other)])
        mean = batch.mean((1, 2), keepdims=True)
        # Zeros of standardized images are the mean.
        images, _ = augment(batch, np.array([0, 1]), [step], lambda images: np.asarray(images) - mean, 2)
        made = (np.asarray(images) + mean)[0]
    return np.clip(np.asarray(made), 0, 255).round().astype("uint8")


if __name__ == "__main__":
    sys.exit(main())
