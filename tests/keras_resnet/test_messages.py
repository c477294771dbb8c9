"""The sentence on an unknown name; names of others as they may be shown."""

import pytest

from keras_resnet.messages import printable, unknown, unknown_of_many


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


@pytest.mark.parametrize(
    ("received", "sentence"),
    [
        ("side", "Unknown field 'side'. Did you mean 'wide' or 'size'? See there."),
        ("hardware.dtyp", "Unknown field 'hardware.dtyp'. Did you mean 'hardware.dtype'? See there."),
        ("Epoch", "Unknown field 'Epoch'. Did you mean 'epochs'? See there."),
        ("zzz", "Unknown field 'zzz'. See there."),
    ],
)
def test_unknown_name_of_many_gets_the_nearest_few(received, sentence):
    names = ("epochs", "size", "wide", "hardware.seed", "hardware.dtype")
    assert unknown_of_many("field", received, names, "See there.") == sentence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer 猫 🐕.png", "größer 猫 🐕.png"),
        ("two\nlines\r.png", r"two\nlines\r.png"),
        ("\x1b[2J\x07.png", r"\x1b[2J\x07.png"),
        ("caf\udce9.png", r"caf\udce9.png"),
        ("a\u2028b\x85c\u202fd", r"a\u2028b\x85c" + "\u202fd"),  # a narrow blank breaks nothing
    ],
)
def test_name_of_a_file_is_shown_in_one_line_and_moves_no_cursor(text, shown):
    assert printable(text) == shown
