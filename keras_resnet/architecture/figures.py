"""What the named networks cost, and how well their papers say they do: figures that take long to build or measure.

Tests compare them with the networks built, with the papers' tables and with the README.
"""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """A row of the table.

    Args:
        parameters: int, trainable ones, with the classifier of the papers.
        multiply_adds: int, those of convolutions and dense layers for an image of the papers' size.
        error: str, published error in per cent, with its protocol: top-1 of a single model on ImageNet's validation
            set, or on CIFAR-10's test set; empty where the papers give none.

    Source: arXiv 1512.03385, Tables 2, 3 and 6; arXiv 1603.05027, Tables 2, 3 and 5.
    """

    parameters: int
    multiply_adds: int
    error: str = ""


FIGURES: dict[str, Figures] = {
    "ResNet18": Figures(11_689_512, 1_814_073_344, "27.88 (A, 10-crop)"),
    "ResNet34": Figures(21_797_672, 3_663_761_408, "24.52 (10-crop)"),
    "ResNet50": Figures(25_557_032, 3_857_973_248, "22.85 (10-crop)"),
    "ResNet101": Figures(44_549_160, 7_570_194_432, "21.75 (10-crop)"),
    "ResNet152": Figures(60_192_808, 11_282_415_616, "21.43 (10-crop)"),
    "ResNet200": Figures(64_673_832, 14_776_270_848, "21.8 (320 crop)"),
    "ResNet18V2": Figures(11_687_720, 1_814_073_344),
    "ResNet34V2": Figures(21_795_880, 3_663_761_408),
    "ResNet50V2": Figures(25_549_352, 3_857_973_248),
    "ResNet101V2": Figures(44_541_480, 7_570_194_432),
    "ResNet152V2": Figures(60_185_128, 11_282_415_616, "21.1 (320 crop)"),
    "ResNet200V2": Figures(64_666_152, 14_776_270_848, "20.7 (320 crop)"),
    "Plain18": Figures(11_515_688, 1_794_805_760, "27.94 (10-crop)"),
    "Plain34": Figures(21_623_848, 3_644_493_824, "28.54 (10-crop)"),
    "ResNet20": Figures(269_722, 40_551_040, "8.75"),
    "ResNet32": Figures(464_154, 68_862_592, "7.51"),
    "ResNet44": Figures(658_586, 97_174_144, "7.17"),
    "ResNet56": Figures(853_018, 125_485_696, "6.97"),
    "ResNet110": Figures(1_727_962, 252_887_680, "6.43 best, 6.61 mean"),
    "ResNet1202": Figures(19_421_274, 2_829_238_912, "7.93"),
    "ResNet164": Figures(1_704_154, 244_500_992, "5.93"),
    "ResNet1001": Figures(10_328_602, 1_487_849_984, "7.61"),
    "ResNet20V2": Figures(269_722, 40_551_040),
    "ResNet32V2": Figures(464_154, 68_862_592),
    "ResNet44V2": Figures(658_586, 97_174_144),
    "ResNet56V2": Figures(853_018, 125_485_696),
    "ResNet110V2": Figures(1_727_962, 252_887_680, "6.37"),
    "ResNet1202V2": Figures(19_421_274, 2_829_238_912),
    "ResNet164V2": Figures(1_703_258, 244_500_992, "5.46"),
    "ResNet1001V2": Figures(10_327_706, 1_487_849_984, "4.92"),
    "Plain20": Figures(269_722, 40_551_040),
    "Plain32": Figures(464_154, 68_862_592),
    "Plain44": Figures(658_586, 97_174_144),
    "Plain56": Figures(853_018, 125_485_696),
    "Plain110": Figures(1_727_962, 252_887_680),
    "ResNet18D": Figures(11_708_744, 2_053_713_920),
    "ResNet34D": Figures(21_816_904, 3_903_401_984),
    "ResNet50D": Figures(25_576_264, 4_328_824_832),
    "ResNet101D": Figures(44_568_392, 8_041_046_016),
    "ResNet152D": Figures(60_212_040, 11_753_267_200),
    "ResNet200D": Figures(64_693_064, 15_247_122_432),
    "SEResNet50": Figures(28_088_024, 3_860_488_192),
    "SEResNet101": Figures(49_326_872, 7_574_937_600),
    "SEResNet152": Figures(66_821_848, 11_288_993_792),
    "ResNeXt50_32x4d": Figures(25_028_904, 4_230_479_872),
    "ResNeXt101_32x8d": Figures(88_791_336, 16_414_015_488),
    "ResNeXt101_64x4d": Figures(83_455_272, 15_460_270_080),
    "WideResNet50_2": Figures(68_883_240, 11_398_021_120),
    "WideResNet101_2": Figures(126_886_696, 22_753_050_624),
    "VGG16": Figures(138_357_544, 15_470_264_320, "28.07 (10-crop)"),
    "VGG19": Figures(143_667_240, 19_632_062_464),
    "VGG16BN": Figures(138_365_992, 15_470_264_320),
    "VGG19BN": Figures(143_678_248, 19_632_062_464),
    "ResNeXt29_8x64d": Figures(34_426_698, 5_387_266_048),
    "WideResNet16_8": Figures(10_961_370, 1_548_145_664),
    "WideResNet28_10": Figures(36_479_194, 5_243_328_768),
    "WideResNet40_4": Figures(8_949_210, 1_298_582_016),
    "Highway20": Figures(300_090, 45_007_488),
    "Highway32": Figures(516_474, 76_464_768),
}
