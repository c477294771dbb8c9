"""timm's resnetv2.py, its variants with batch normalization."""

from keras_resnet.weights.naming import Source
from keras_resnet.weights.sources.torchvision import UNIT

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
    written={
        r"conv1_conv": "stem.conv",
        r"conv1_(?P<site>[123])_conv": "stem.conv{site}",
        r"conv1_(?P<site>[12])_bn": "stem.norm{site}",
        rf"{UNIT}(?P<site>[123])_conv": "stages.{stage}.blocks.{block}.conv{site}",
        rf"{UNIT}preact_bn": "stages.{stage}.blocks.{block}.norm1",
        rf"{UNIT}1_bn": "stages.{stage}.blocks.{block}.norm2",
        rf"{UNIT}2_bn": "stages.{stage}.blocks.{block}.norm3",
        rf"{UNIT}0_conv": "stages.{stage}.blocks.{block}.downsample.conv",
        r"post_bn": "norm",
        r"predictions": "head.fc",
    },
    has_convolved_head=True,
    contract="tf",
    first_stage=0,
    choices={"stride_on": "3x3", "stem_activation": False},
)
