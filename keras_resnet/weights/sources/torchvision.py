"""torchvision; also timm's resnet.py, with deep stems, pooled projections and squeeze-and-excitation."""

from keras_resnet.weights.naming import Source

STAGE = r"layer(?P<stage>\d+)\.(?P<block>\d+)\."
SHORTCUT = rf"{STAGE}(downsample|shortcut)"
# CIFAR networks in the style of fb.resnet.torch have these names too.
LAYERS = {
    r"conv1": "conv1_conv",
    r"conv1\.0": "conv1_1_conv",
    r"conv1\.1": "conv1_1_bn",
    r"conv1\.3": "conv1_2_conv",
    r"conv1\.4": "conv1_2_bn",
    r"conv1\.6": "conv1_3_conv",
    r"bn1": "conv1_bn",
    rf"{STAGE}conv(?P<site>\d)": "{unit}_{site}_conv",
    rf"{STAGE}bn(?P<site>\d)": "{unit}_{site}_bn",
    rf"{SHORTCUT}\.\d": "{unit}_0_",
    rf"{STAGE}se\.(fc1|conv_reduce)": "{unit}_se_reduce",
    rf"{STAGE}se\.(fc2|conv_expand)": "{unit}_se_excite",
    r"fc|linear": "predictions",
}
UNIT = r"conv(?P<stage>\d+)_block(?P<block>\d+)_"
WRITTEN = {
    r"conv1_conv": "conv1",
    r"conv1_bn|conv1_3_bn": "bn1",
    r"conv1_1_conv": "conv1.0",
    r"conv1_1_bn": "conv1.1",
    r"conv1_2_conv": "conv1.3",
    r"conv1_2_bn": "conv1.4",
    r"conv1_3_conv": "conv1.6",
    rf"{UNIT}(?P<site>[123])_conv": "layer{stage}.{block}.conv{site}",
    rf"{UNIT}(?P<site>[123])_bn": "layer{stage}.{block}.bn{site}",
    rf"{UNIT}0_conv": "layer{stage}.{block}.downsample.{pool}",
    rf"{UNIT}0_bn": "layer{stage}.{block}.downsample.{after}",
    rf"{UNIT}se_reduce": "layer{stage}.{block}.se.fc1",
    rf"{UNIT}se_excite": "layer{stage}.{block}.se.fc2",
    r"predictions": "fc",
}
# Modules in a row: a convolution and a normalization, or a pool (which has no tensors) before both.
PROJECTIONS = {"convolution": rf"{SHORTCUT}\.0", "average_pool": rf"{SHORTCUT}\.1"}

SOURCE = Source(
    title="torchvision or timm",
    marks=(r"conv1(\.0)?", r"layer1\.0\.conv1", r"fc"),
    layers=LAYERS,
    written=WRITTEN,
    projections=PROJECTIONS,
    contract="torch",
    choices={"stride_on": "3x3"},
)
