"""KerasHub's residual networks in Keras layers, and its files as Keras itself writes them: names, padding and order.

An oracle of its own: nothing here comes from the package.
"""

import json
import zipfile

import h5py
import keras
from keras import layers

CONFIG = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128],
    "stackwise_num_blocks": [1, 2],
    "stackwise_num_strides": [1, 2],
    "block_type": "basic_block",
    "use_pre_activation": False,
    "image_shape": [None, None, 3],
}
DEEP = {"input_conv_filters": [32, 32, 64], "input_conv_kernel_sizes": [3, 3, 3]}
CONVERTER = {"image_size": [64, 64], "scale": [0.02, 0.01, 0.04], "offset": [-2.0, 1.0, 0.5]}


class ResNetBackbone(keras.Model):
    """The backbone, under the name of KerasHub's class, for the files hold its name."""

    def __init__(self, **config):
        self.config = config
        inputs = keras.Input(config["image_shape"])
        super().__init__(inputs, features(config, inputs), name="res_net_backbone")

    def get_config(self):
        return self.config


class ResNetImageClassifier(keras.Model):
    """The classifier: backbone, mean, dense layer."""

    def __init__(self, backbone, classes, **config):
        x = layers.GlobalAveragePooling2D(name="pooler")(backbone(backbone.input))
        x = layers.Dropout(0.0, name="output_dropout")(x)
        super().__init__(backbone.input, layers.Dense(classes, name="predictions")(x), name="res_net_image_classifier")
        saved = {"module": "keras_hub", "class_name": "ResNetBackbone", "config": backbone.config}
        self.parts, self.config = backbone, {"backbone": saved, "num_classes": classes, **config}

    def get_config(self):
        return self.config


def convolution(x, filters, side, stride, name):
    """Convolve without bias; where it strides, pad half a kernel on all sides first."""
    if stride > 1 and side > 1:
        x = layers.ZeroPadding2D(side // 2)(x)
    padding = "valid" if stride > 1 else "same"
    return layers.Conv2D(filters, side, stride, padding, use_bias=False, name=f"{name}_conv")(x)


def norm(x, name):
    return layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)


def relu(x):
    return layers.Activation("relu")(x)


def features(config, x):
    """Give the last map."""
    early = config["use_pre_activation"]
    stem = list(zip(config["input_conv_filters"], config["input_conv_kernel_sizes"]))
    for number, (filters, side) in enumerate(stem, start=1):
        x = convolution(x, filters, side, 2 if number == 1 else 1, f"conv{number}")
        if number < len(stem) or not early:
            x = relu(norm(x, f"conv{number}"))
    lowest = {"constant_values": float("-inf")} if early else {}
    x = layers.MaxPooling2D(3, 2)(keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], **lowest))
    stages = zip(*(config[f"stackwise_num_{what}"] for what in ("filters", "blocks", "strides")))
    for stage, (filters, blocks, stride) in enumerate(stages):
        for block in range(blocks):
            projects = block == 0 and (stage > 0 or config["block_type"] != "basic_block")
            name = f"stack{stage}_block{block}"
            x = unit(x, filters, stride if block == 0 else 1, projects, config["block_type"], early, name)
    return relu(norm(x, "post")) if early else x


def unit(x, filters, stride, projects, kind, early, name):
    """Give what a residual unit gives."""
    wide = kind.startswith("bottleneck")
    active = relu(norm(x, f"{name}_pre_activation")) if early else x
    shortcut = x
    if projects:
        pooled = kind.endswith("_vd") and stride > 1
        shortcut = layers.AveragePooling2D(2, 2, padding="same")(active) if pooled else active
        width = 4 * filters if wide else filters
        shortcut = convolution(shortcut, width, 1, 1 if pooled else stride, f"{name}_0")
        shortcut = shortcut if early else norm(shortcut, f"{name}_0")
    shapes = (
        [(filters, 1, 1), (filters, 3, stride), (4 * filters, 1, 1)]
        if wide
        else [(filters, 3, stride), (filters, 3, 1)]
    )
    y = active
    for number, (width, side, step) in enumerate(shapes, start=1):
        y = convolution(y, width, side, step, f"{name}_{number}")
        if number < len(shapes):
            y = relu(norm(y, f"{name}_{number}"))
        elif not early:
            y = norm(y, f"{name}_{number}")
    x = layers.Add()([shortcut, y])
    return x if early else relu(x)


# Files.


def nameless(path):
    """Take the names of layers out of a file, as Keras wrote it at first."""
    with h5py.File(path, "a") as file:
        file.visititems(lambda _, thing: thing.attrs.pop("name", None) and None)


def save_nameless_archive(path, model):
    """Write an archive as Keras wrote it at first."""
    whole, inside = path.with_name("whole.keras"), path.with_name("inside.weights.h5")
    model.save(whole)
    model.save_weights(inside)
    nameless(inside)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", source.read("config.json"))
        target.write(inside, "model.weights.h5")


def save_preset(folder, model, converter=None, names=True):
    """Write a classifier as a preset: backbone and head apart, each with its configuration."""
    folder.mkdir(exist_ok=True)
    vector = keras.Input((model.layers[-1].kernel.shape[0],))
    head = keras.Model(vector, layers.Dense(model.output_shape[-1], name="predictions")(vector))
    head.set_weights(model.layers[-1].get_weights())
    head.save_weights(folder / "task.weights.h5")
    model.parts.save_weights(folder / "model.weights.h5")
    write(folder / "config.json", model.config["backbone"])
    write(folder / "task.json", {"class_name": "ResNetImageClassifier", "config": model.config})
    if converter:
        write(folder / "preprocessor.json", preprocessor(converter))
    if not names:
        nameless(folder / "task.weights.h5")
        nameless(folder / "model.weights.h5")


def preprocessor(converter):
    """Give the configuration of a preprocessor as KerasHub serialises it."""
    inner = {"class_name": "ResNetImageConverter", "config": converter}
    return {"class_name": "ResNetImageClassifierPreprocessor", "config": {"image_converter": inner}}


def write(path, thing):
    path.write_text(json.dumps(thing))


def saved(model, form, folder):
    """Write a classifier in one of the forms that users have."""
    if form == "archive":
        model.save(folder / "model.keras")
        return folder / "model.keras"
    if form == "weights":
        model.save_weights(folder / "any.weights.h5")
        return folder / "any.weights.h5"
    if form == "nameless archive":
        save_nameless_archive(folder / "old.keras", model)
        return folder / "old.keras"
    save_preset(folder / "preset", model, names=form == "preset")
    return folder / "preset"
