"""The table of figures against the published ones; test_complexity compares it with the networks built."""

import csv
import re

import keras_resnet
from keras_resnet.architecture.figures import FIGURES
from tests.shared import shared_file

# The rows of the papers' tables that the errors are of: paper, table, model, beginning of the protocol.
RESNET, IDENTITY = "1512.03385", "1603.05027"
ROWS = {
    "Plain18": (RESNET, "2", "plain-18", "10-crop"),
    "Plain34": (RESNET, "2", "plain-34", "10-crop"),
    "ResNet18": (RESNET, "2", "ResNet-18", "10-crop; option A"),
    "ResNet34": (RESNET, "3", "ResNet-34", "10-crop; option B"),
    "ResNet50": (RESNET, "3", "ResNet-50", "10-crop; option B"),
    "ResNet101": (RESNET, "3", "ResNet-101", "10-crop; option B"),
    "ResNet152": (RESNET, "3", "ResNet-152", "10-crop; option B"),
    "VGG16": (RESNET, "3", "VGG-16", "10-crop"),
    "ResNet200": (IDENTITY, "5", "ResNet-200", "original unit; aug scale; train crop 224; single test crop 320"),
    "ResNet152V2": (IDENTITY, "5", "ResNet-152", "pre-act unit; aug scale; train crop 224; single test crop 320"),
    "ResNet200V2": (IDENTITY, "5", "ResNet-200", "pre-act unit; aug scale; train crop 224; single test crop 320"),
    **{f"ResNet{depth}": (RESNET, "6", f"ResNet-{depth}", "with data") for depth in (20, 32, 44, 56, 110, 1202)},
    **{f"ResNet{depth}": (IDENTITY, "3", f"ResNet-{depth}", "original unit") for depth in (164, 1001)},
    **{f"ResNet{depth}V2": (IDENTITY, "3", f"ResNet-{depth}", "pre-act") for depth in (110, 164, 1001)},
}


def test_every_network_of_the_catalogue_has_figures_in_its_order():
    assert list(FIGURES) == list(keras_resnet.CATALOGUE)


def test_errors_are_those_of_the_papers():
    with shared_file("reference/published.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if re.match(r"(top-1|test) error %", row["metric"])]
    assert {name for name, figures in FIGURES.items() if figures.error} == ROWS.keys()
    for name, (paper, table, model, protocol) in ROWS.items():
        matching = [
            row
            for row in rows
            if (row["paper"], row["table"], row["model"]) == (paper, table, model)
            and row["dataset"] in ("ImageNet val", "CIFAR-10")
            and row["setting"].startswith(protocol)
        ]
        assert {float(row["value"]) for row in matching} == {float(FIGURES[name].error.split()[0])}, name
