"""The sentence on an unknown name."""

import pytest

from keras_resnet.messages import unknown


@pytest.mark.parametrize(
    ("received", "sentence"),
    [
        ("ResNet5", "Unknown network 'ResNet5'. Did you mean 'ResNet50'? Allowed: ResNet50, Plain18."),
        ("resnet50", "Unknown network 'resnet50'. Did you mean 'ResNet50'? Allowed: ResNet50, Plain18."),
        ("zzz", "Unknown network 'zzz'. Allowed: ResNet50, Plain18."),
        (None, "Unknown network None. Allowed: ResNet50, Plain18."),
    ],
)
def test_unknown_name_gets_the_nearest_and_the_allowed(received, sentence):
    assert unknown("network", received, ("ResNet50", "Plain18")) == sentence
