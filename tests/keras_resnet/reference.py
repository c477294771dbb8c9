"""The papers' formulas in NumPy, float64, on the weights of a network by layer name: an oracle of its own."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

EPSILON = 1e-5


class Reference:
    """The weighted layers of a network as functions of NumPy arrays.

    Args:
        model: keras.Model, channels last.
        activation: function `(weights, x) -> x` of the weights of its layer and its input; ReLU unless given.
    """

    def __init__(self, model, activation=None):
        self.activation = activation or (lambda weights, x: relu(x))
        self.weights = {layer.name: [w.astype("float64") for w in layer.get_weights()] for layer in model.layers}

    def conv(self, name, x, stride=1):
        """Convolve with symmetric padding of half the kernel, each group of channels by itself."""
        kernel, *bias = self.weights[f"{name}_conv"]
        half = kernel.shape[0] // 2
        x = np.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
        windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
        groups = x.shape[-1] // kernel.shape[2]
        inputs, kernels = np.split(windows, groups, axis=3), np.split(kernel, groups, axis=3)
        maps = [np.tensordot(i, k, axes=((3, 4, 5), (2, 0, 1))) for i, k in zip(inputs, kernels)]
        return np.concatenate(maps, axis=3) + sum(bias)

    def act(self, name, x):
        """Apply the activation of a site."""
        return self.activation(self.weights[f"{name}_relu" if f"{name}_relu" in self.weights else name], x)

    def norm(self, name, x):
        """Normalise by the moving statistics, arXiv 1502.03167."""
        gamma, beta, mean, variance = self.weights[f"{name}_bn"]
        return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta

    def conv_norm(self, name, x, stride=1):
        """Convolve and normalise."""
        return self.norm(name, self.conv(name, x, stride))

    def logits(self, x):
        """Average over the map and apply the linear classifier."""
        kernel, bias = self.weights["predictions"]
        return x.mean((1, 2)) @ kernel + bias


def relu(x):
    """Cut off at zero."""
    return np.maximum(x, 0)


def max_pool(x):
    """Take the maximum of 3x3 windows at stride 2; the border counts for nothing."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    return sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max((-1, -2))


def average_pool(x):
    """Take the mean of 2x2 blocks; of an odd side's last block, of the pixels that exist."""
    odd = [side % 2 for side in x.shape[1:3]]
    x = np.pad(x, ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0)), constant_values=np.nan)
    blocks = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1)
    return np.nanmean(blocks, axis=(2, 4))


def units(architecture):
    """Name each unit of a network with its stride: 2 in the first unit of each stage but the first."""
    for stage, blocks in enumerate(architecture.blocks):
        for block in range(blocks):
            yield f"conv{stage + 2}_block{block + 1}", 2 if stage and not block else 1


def original_basic(net, architecture, x):
    """Compute ResNet (CIFAR stem, two 3x3, option A), arXiv 1512.03385, section 4.2; return all units' outputs."""
    x = relu(net.conv_norm("conv1", x))
    features = {}
    for unit, stride in units(architecture):
        residual = net.conv_norm(f"{unit}_2", relu(net.conv_norm(f"{unit}_1", x, stride)))
        shortcut = x[:, ::stride, ::stride]
        missing = residual.shape[-1] - shortcut.shape[-1]
        x = relu(np.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, missing))) + residual)
        features[f"{unit}_out"] = x
    return features


def original_bottleneck(net, architecture, x):
    """Compute ResNet (ImageNet stem, bottleneck, option B), arXiv 1512.03385, Table 1; return all units' outputs."""
    x = max_pool(relu(net.conv_norm("conv1", x, 2)))
    features = {}
    for unit, stride in units(architecture):
        residual = relu(net.conv_norm(f"{unit}_1", x, stride))
        residual = relu(net.conv_norm(f"{unit}_2", residual))
        residual = net.conv_norm(f"{unit}_3", residual)
        shortcut = net.conv_norm(f"{unit}_0", x, stride) if f"{unit}_0_conv" in net.weights else x
        x = relu(shortcut + residual)
        features[f"{unit}_out"] = x
    return features


def full_preactivation(net, architecture, x):
    """Compute ResNet V2 (CIFAR stem, bottleneck, option B), arXiv 1603.05027, appendix; return all units' outputs."""
    x = relu(net.conv_norm("conv1", x))
    features = {}
    for index, (unit, stride) in enumerate(units(architecture)):
        active = x if index == 0 else relu(net.norm(f"{unit}_preact", x))
        residual = relu(net.conv_norm(f"{unit}_1", active, stride))
        residual = net.conv(f"{unit}_3", relu(net.conv_norm(f"{unit}_2", residual)))
        x = residual + (net.conv(f"{unit}_0", active, stride) if f"{unit}_0_conv" in net.weights else x)
        features[f"{unit}_out"] = x
    return {**features, "post_relu": relu(net.norm("post", x))}
