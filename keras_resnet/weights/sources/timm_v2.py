"""timm's resnetv2.py, its variants with batch normalization."""

from keras_resnet.weights.naming import Source

STAGE = r"stages\.(?P<stage>\d+)\.blocks\.(?P<block>\d+)\."

SOURCE = Source(
    title="timm's resnetv2",
    marks=(r"stem\.conv1?", r"stages\.0\.blocks\.0\.norm1"),
    layers={
        r"stem\.conv": "conv1_conv",
        r"stem\.conv(?P<site>[123])": "conv1_{site}_conv",
        r"stem\.norm(?P<site>[12])": "conv1_{site}_bn",
        rf"{STAGE}conv(?P<site>\d)": "{unit}_{site}_conv",
        rf"{STAGE}norm1": "{unit}_preact_bn",
        rf"{STAGE}norm2": "{unit}_1_bn",
        rf"{STAGE}norm3": "{unit}_2_bn",
        rf"{STAGE}downsample\.conv": "{unit}_0_conv",
        r"norm": "post_bn",
        r"head\.fc": "predictions",
    },
    contract="tf",
    first_stage=0,
    choices={"stride_on": "3x3", "stem_activation": False},
)
