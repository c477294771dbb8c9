"""PyTorch's residual networks in NumPy, from their state dicts alone: names, padding and order as torchvision and timm.

An oracle of its own: nothing here comes from the package. Images are (batch, channels, height, width).
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

EPSILON = 1e-5


class Draw:
    """Random tensors under PyTorch's names, that keep activations of order one."""

    def __init__(self, seed=0):
        self.generator = np.random.default_rng(seed)
        self.state = {}

    def conv(self, name, filters, inputs, kernel, bias=False):
        deviation = np.sqrt(2 / (inputs * kernel * kernel))
        self.state[f"{name}.weight"] = self.normal(deviation, filters, inputs, kernel, kernel)
        if bias:
            self.state[f"{name}.bias"] = self.normal(0.2, filters)

    def norm(self, name, channels):
        self.state[f"{name}.weight"] = self.uniform(channels)
        self.state[f"{name}.bias"] = self.normal(0.2, channels)
        self.state[f"{name}.running_mean"] = self.normal(0.2, channels)
        self.state[f"{name}.running_var"] = self.uniform(channels)
        self.state[f"{name}.num_batches_tracked"] = np.array(7)

    def linear(self, name, outputs, inputs):
        self.state[f"{name}.weight"] = self.normal(1 / np.sqrt(inputs), outputs, inputs)
        self.state[f"{name}.bias"] = self.normal(0.2, outputs)

    def normal(self, deviation, *shape):
        return self.generator.normal(0, deviation, shape).astype("float32")

    def uniform(self, *shape):
        return self.generator.uniform(0.5, 1.5, shape).astype("float32")


def resnet(
    blocks, expansion, groups=1, base=64, stem=(64,), pooled=False, squeeze=0, classes=10, planes=(64, 128, 256, 512)
):
    """Draw the state dict of torchvision's `resnet`, or of timm's.

    Of timm's, a stem of (32, 32, 64) filters is that of the c-nets and, with pooled projections, of the d-nets;
    (64, 64, 128) of s and e; (24, 32, 64) of t, which pool.
    """
    draw = Draw()
    if len(stem) == 3:
        for place, (filters, inputs) in enumerate(zip(stem, (3, *stem))):
            draw.conv(f"conv1.{3 * place}", filters, inputs, 3)
            if place < 2:
                draw.norm(f"conv1.{3 * place + 1}", filters)
    else:
        draw.conv("conv1", *stem, 3, 7)
    channels = stem[-1]
    draw.norm("bn1", channels)
    for stage, (count, width) in enumerate(zip(blocks, planes), start=1):
        for block in range(count):
            name, out = f"layer{stage}.{block}", width * expansion
            inner = width * base // 64 * groups
            shapes = [(width, channels, 3), (out, width, 3)]
            if expansion == 4:
                shapes = [(inner, channels, 1), (inner, inner // groups, 3), (out, inner, 1)]
            for number, (filters, inputs, kernel) in enumerate(shapes, start=1):
                draw.conv(f"{name}.conv{number}", filters, inputs, kernel)
                draw.norm(f"{name}.bn{number}", filters)
            if squeeze:
                draw.conv(f"{name}.se.fc1", out // squeeze, out, 1, bias=True)
                draw.conv(f"{name}.se.fc2", out, out // squeeze, 1, bias=True)
            if channels != out:
                draw.conv(f"{name}.downsample.{int(pooled)}", out, channels, 1)
                draw.norm(f"{name}.downsample.{int(pooled) + 1}", out)
            channels = out
    draw.linear("fc", classes, channels)
    return draw.state


def resnetv2(blocks, expansion, deep=False, classes=10, planes=(64, 128, 256, 512)):
    """Draw the state dict of timm's `resnetv2` with batch normalisation."""
    draw = Draw(1)
    if deep:
        for number, (filters, inputs) in enumerate(((32, 3), (32, 32), (64, 32)), start=1):
            draw.conv(f"stem.conv{number}", filters, inputs, 3)
            if number < 3:
                draw.norm(f"stem.norm{number}", filters)
    else:
        draw.conv("stem.conv", 64, 3, 7)
    channels = 64
    for stage, (count, width) in enumerate(zip(blocks, planes)):
        for block in range(count):
            name, out = f"stages.{stage}.blocks.{block}", width * expansion
            if channels != out:
                draw.conv(f"{name}.downsample.conv", out, channels, 1)
            shapes = [(width, channels, 3), (out, width, 3)]
            if expansion == 4:
                shapes = [(width, channels, 1), (width, width, 3), (out, width, 1)]
            for number, (filters, inputs, kernel) in enumerate(shapes, start=1):
                draw.norm(f"{name}.norm{number}", inputs)
                draw.conv(f"{name}.conv{number}", filters, inputs, kernel)
            channels = out
    draw.norm("norm", channels)
    draw.conv("head.fc", classes, channels, 1, bias=True)
    return draw.state


def cifar(blocks, classes=10):
    """Draw the state dict of pytorch_resnet_cifar10."""
    draw = Draw(2)
    draw.conv("conv1", 16, 3, 3)
    draw.norm("bn1", 16)
    channels = 16
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in range(blocks):
            for number, inputs in ((1, channels), (2, width)):
                draw.conv(f"layer{stage}.{block}.conv{number}", width, inputs, 3)
                draw.norm(f"layer{stage}.{block}.bn{number}", width)
            channels = width
    draw.linear("linear", classes, channels)
    return draw.state


class Network:
    """A state dict as functions of NumPy arrays."""

    def __init__(self, state):
        self.state = {name: tensor.astype("float64") for name, tensor in state.items()}

    def has(self, name):
        return f"{name}.weight" in self.state

    def conv(self, name, x, stride=1):
        kernel = self.state[f"{name}.weight"]
        half = kernel.shape[-1] // 2
        x = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
        windows = sliding_window_view(x, kernel.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        groups = x.shape[1] // kernel.shape[1]
        maps = [
            np.einsum("nchwij,fcij->nfhw", part, weights, optimize=True)
            for part, weights in zip(np.split(windows, groups, axis=1), np.split(kernel, groups))
        ]
        bias = self.state.get(f"{name}.bias", np.zeros(len(kernel)))
        return np.concatenate(maps, axis=1) + bias[:, None, None]

    def norm(self, name, x):
        gamma, beta, mean, variance = (
            self.state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta

    def act_norm(self, name, x):
        return np.maximum(self.norm(name, x), 0)

    def squeeze(self, name, x):
        weights = np.maximum(self.conv(f"{name}.fc1", x.mean((2, 3), keepdims=True)), 0)
        return x / (1 + np.exp(-self.conv(f"{name}.fc2", weights)))


def max_pool(x):
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    return sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max((-1, -2))


def average_pool(x):
    odd = [side % 2 for side in x.shape[2:]]
    x = np.pad(x, ((0, 0), (0, 0), (0, odd[0]), (0, odd[1])), constant_values=np.nan)
    return np.nanmean(x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2), axis=(3, 5))


def run_resnet(state, x):
    """Compute the logits of torchvision's or timm's ResNet: strides on the first 3x3 of a unit."""
    net = Network(state)
    if net.has("conv1.6"):
        x = net.act_norm("conv1.1", net.conv("conv1.0", x, 2))
        x = net.conv("conv1.6", net.act_norm("conv1.4", net.conv("conv1.3", x)))
    else:
        x = net.conv("conv1", x, 2)
    x = max_pool(net.act_norm("bn1", x))
    for stage in (1, 2, 3, 4):
        block = 0
        while net.has(f"layer{stage}.{block}.conv1"):
            x = _unit(net, f"layer{stage}.{block}", x, 2 if stage > 1 and block == 0 else 1)
            block += 1
    return x.mean((2, 3)) @ net.state["fc.weight"].T + net.state["fc.bias"]


def _unit(net, name, x, stride):
    wide = net.has(f"{name}.conv3")
    y = net.act_norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, 1 if wide else stride))
    y = net.norm(f"{name}.bn2", net.conv(f"{name}.conv2", y, stride if wide else 1))
    if wide:
        y = net.norm(f"{name}.bn3", net.conv(f"{name}.conv3", np.maximum(y, 0)))
    if net.has(f"{name}.se.fc1"):
        y = net.squeeze(f"{name}.se", y)
    if net.has(f"{name}.downsample.0"):
        x = net.norm(f"{name}.downsample.1", net.conv(f"{name}.downsample.0", x, stride))
    elif net.has(f"{name}.downsample.1"):
        x = average_pool(x) if stride > 1 else x
        x = net.norm(f"{name}.downsample.2", net.conv(f"{name}.downsample.1", x))
    return np.maximum(x + y, 0)


def run_resnetv2(state, x):
    """Compute the logits of timm's pre-activation ResNet: no normalisation between the last stem layer and the pool."""
    net = Network(state)
    deep = net.has("stem.conv1")
    if deep:
        x = net.act_norm("stem.norm1", net.conv("stem.conv1", x, 2))
        x = net.conv("stem.conv3", net.act_norm("stem.norm2", net.conv("stem.conv2", x)))
    else:
        x = net.conv("stem.conv", x, 2)
    x = max_pool(x)
    for stage in range(4):
        block = 0
        while net.has(f"stages.{stage}.blocks.{block}.conv1"):
            name, stride = f"stages.{stage}.blocks.{block}", 2 if stage and block == 0 else 1
            wide = net.has(f"{name}.conv3")
            active = net.act_norm(f"{name}.norm1", x)
            y = net.act_norm(f"{name}.norm2", net.conv(f"{name}.conv1", active, 1 if wide else stride))
            y = net.conv(f"{name}.conv2", y, stride if wide else 1)
            if wide:
                y = net.conv(f"{name}.conv3", net.act_norm(f"{name}.norm3", y))
            if net.has(f"{name}.downsample.conv"):
                pooled = deep and stride > 1
                shortcut = average_pool(active) if pooled else active
                x = net.conv(f"{name}.downsample.conv", shortcut, 1 if pooled else stride)
            x = x + y
            block += 1
    x = net.act_norm("norm", x).mean((2, 3))
    return x @ net.state["head.fc.weight"][:, :, 0, 0].T + net.state["head.fc.bias"]


def run_cifar(state, x):
    """Compute the logits of pytorch_resnet_cifar10: every second pixel, zero channels in front and behind."""
    net = Network(state)
    x = net.act_norm("bn1", net.conv("conv1", x))
    for stage in (1, 2, 3):
        block = 0
        while net.has(f"layer{stage}.{block}.conv1"):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = net.act_norm(f"{name}.bn1", net.conv(f"{name}.conv1", x, stride))
            y = net.norm(f"{name}.bn2", net.conv(f"{name}.conv2", y))
            x = x[:, :, ::stride, ::stride]
            missing = (y.shape[1] - x.shape[1]) // 2
            x = np.maximum(np.pad(x, ((0, 0), (missing, missing), (0, 0), (0, 0))) + y, 0)
            block += 1
    return x.mean((2, 3)) @ net.state["linear.weight"].T + net.state["linear.bias"]
