"""How the files in v0.1.0.tar.xz were made, with version 0.1.0 (commit a849306): `python make_v0_1_0.py FOLDER`.

They show that later versions load them and compute the same, so they are not made again. The networks of the table are
also built by tests, for the weights files.
"""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

import keras_resnet

SMALL = {"blocks": (1, 1), "widths": (4, 8), "stem": "cifar"}
SIDE, CLASSES = 8, 3

# Between them: every unit, both kinds of stems, pre-activation, gates, activations that learn, all that is drawn.
NETWORKS: dict[str, dict] = {
    "basic_a": {"unit": "basic", "shortcut": "A"},
    "preact_gated_swish": {
        "unit": "basic",
        "placement": "full_preactivation",
        "shortcut": {"name": "exclusive_gating", "bias": -3.0},
        "activation": "trainable_swish",
    },
    "bottleneck_maxout": {
        "unit": "bottleneck",
        "blocks": (1, 2),
        "shortcut": "C",
        "activation": {"name": "maxout", "pieces": 2},
        "squeeze_excitation": 4,
        "dropout": 0.1,
        "stochastic_depth": 0.2,
    },
    "deep_stem_projection": {
        "unit": "bottleneck",
        "stem": "deep",
        "stem_width": 4,
        "shortcut": "B",
        "projection": "average_pool",
        "stride_on": "3x3",
        "groups": 2,
        "width_per_group": 32,
        "activation": "gelu",
    },
    "plain": {"unit": "single", "stem": "none", "shortcut": "none", "downsampling": "max_pool", "hidden": (6,)},
}


def build(name: str) -> keras.Model:
    """Build a network of the table."""
    architecture = keras_resnet.Architecture(**{**SMALL, **NETWORKS[name]})
    side = 4 * SIDE if architecture.stem == "deep" else SIDE
    return keras_resnet.ResNet(
        architecture, input_shape=(side, side, 3), classes=CLASSES, classifier_activation=None, name=name
    )


def randomise(model: keras.Model, seed: int) -> None:
    """Give every weight a value that a wrong place would show."""
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(draw.uniform(0.5, 1.5, weight.shape) * np.where(draw.random(weight.shape) < 0.5, 1, 0.4))


def images(side: int) -> np.ndarray:
    """Give two images."""
    return np.random.default_rng(0).normal(size=(2, side, side, 3)).astype("float32")


def main(folder: Path) -> None:
    """Write all files."""
    outputs = {}
    for seed, name in enumerate(NETWORKS):
        model = build(name)
        randomise(model, seed)
        side = model.input_shape[1]
        model.preprocessing = keras_resnet.Preprocessing((side, side), 3, [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], 0.875)
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        outputs[name] = model(images(side), training=False).numpy()
        if name == "basic_a":
            copy = keras_resnet.transfer(model, classes=2, input_shape=(12, 12, 1))
            keras_resnet.freeze(copy, ("conv1",))
            randomise(copy, 100)
            copy.compile("sgd", "sparse_categorical_crossentropy")
            copy.save(folder / "transferred.keras")
            outputs["transferred"] = copy(images(12)[..., :1], training=False).numpy()
            cut = keras_resnet.features(model, ("C2", "C3"))
            cut.save(folder / "features.keras")
            outputs |= {f"features_{level}": value.numpy() for level, value in cut(images(side)).items()}
    np.savez(folder / "outputs.npz", **outputs)
    choices = "{blocks: [1, 1], widths: [4, 8], unit: basic}"
    options = ["--recipe", "digits", "--choices", choices, "--epochs", "1", "--batch-size", "128", "--seed", "3"]
    run = [sys.executable, "-m", "training", *options, "--run-dir", folder / "run"]
    subprocess.run([*run], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
