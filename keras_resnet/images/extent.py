"""How many pixels an image file asks for, read off its header before anything is decoded.

A file of some hundred bytes may state an image of gigabytes. What is read here is what the decoders go by. A BMP holds
all of its pixels, so that nothing has to be read of it.
"""

from __future__ import annotations

import itertools
import re

import numpy as np

from keras_resnet.images.formats import FORMATS
from keras_resnet.images.numbers import marked, numbers_at, numbers_of

# A quarter of a GiB in three channels; the number of which Pillow warns as of a decompression bomb.
MOST_PIXELS = 2**28 // 3
MOST_PARTS = 2**16  # rows of a GIF before the end of its first frame, of 255 bytes in real files; boxes of a JPEG XL
HEAD = 48  # bytes in which the size of an image stands, but for those that are walked through
PADDING = 300  # zeros behind bytes that are walked through, so that no row or header is cut off
TOO_MANY = "pixels are more than are decoded"

# What files begin with, by place: JPEG, PNG, GIF, WebP, JPEG XL as a bare stream or in boxes.
SIGNATURES: tuple[tuple[dict[int, bytes], ...], ...] = (
    ({0: b"\xff\xd8\xff"},),
    ({0: b"\x89PNG\r\n\x1a\n"},),
    ({0: b"GIF8"},),
    ({0: b"RIFF", 8: b"WEBP"},),
    ({0: b"\xff\x0a"}, {0: b"\0\0\0\x0cJXL \r\n\x87\n"}),
)
# Widths of a JPEG XL for a height, as (numerator, denominator); of the first it is stated.
RATIOS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
SIZE_BITS = (9, 13, 18, 30)  # bits of a side that is no small multiple of 8


def checked(encoded):
    """Give back an image file that may be decoded; of a GIF its first frame, for its decoder reads all frames.

    Of too many pixels it raises `tf.errors.InvalidArgumentError`, and so does the decoding of what is no image.

    Source: ISO/IEC 10918-1, B.2.2; PNG, third edition, 11.2.1; GIF89a, 18 to 24; RFC 9649 (WebP), 2.5 to 2.7 and 3.4;
        ISO/IEC 18181-1, D.2 (JPEG XL).
    """
    import tensorflow as tf

    head = numbers_of(tf.io.decode_raw(encoded, tf.uint8, fixed_length=HEAD))
    return tf.switch_case(
        _kind(head),
        [
            lambda: _bounded(encoded, *_of_jpeg(encoded)),
            lambda: _bounded(encoded, *numbers_at(head, HEAD, ((16, 4), (20, 4)), False)),
            lambda: _first_frame(encoded, head),
            lambda: _bounded(encoded, *_of_webp(head)),
            lambda: _bounded(encoded, *_of_jpeg_xl(_stream(encoded, head))),
            lambda: encoded,
        ],
    )


def _kind(head):
    """Tell the place of a file in `SIGNATURES`; one more where it has none of them."""
    import tensorflow as tf

    kinds = [kind for kind, several in enumerate(SIGNATURES) for _ in several]
    matches = marked(head, HEAD, [*itertools.chain(*SIGNATURES), {}])
    return tf.gather([*kinds, len(SIGNATURES)], tf.argmax(matches))


def failure(name: str, error: Exception) -> str:
    """Say in a sentence why an image file was not decoded."""
    if found := re.search(rf"(\d+) x (\d+) {TOO_MANY}", str(error)):
        width, height = (f"{int(side):,}" for side in found.groups())
        return f"{name} is of {width} x {height} pixels, and images of more than {MOST_PIXELS:,} are not decoded."
    return f"{name} is not an image, or damaged; {FORMATS} can be read."


def _bounded(encoded, width, height):
    """Give back a file; raise an error where its image has too many pixels."""
    import tensorflow as tf

    said = tf.strings.join([tf.strings.as_string(width), " x ", tf.strings.as_string(height), f" {TOO_MANY}"])
    # Sides below 2^31, so that the product is no negative number.
    fits = (tf.maximum(width, height) < 2**31) & (width * height <= MOST_PIXELS)
    with tf.control_dependencies([tf.debugging.Assert(fits, [said])]):
        return tf.identity(encoded)


def _of_jpeg(encoded):
    import tensorflow as tf

    shape = tf.cast(tf.io.extract_jpeg_shape(encoded), tf.int64)
    return shape[1], shape[0]


def _of_webp(head):
    """Read width and height: of a lossy image, of a lossless one, or of the canvas of an extended file."""
    import tensorflow as tf

    lossless, width, height, *canvas = numbers_at(head, HEAD, ((21, 4), (26, 2), (28, 2), (24, 3), (27, 3)), True)
    sides = {
        b"VP8 ": (width % 2**14, height % 2**14),
        b"VP8L": (lossless % 2**14 + 1, lossless // 2**14 % 2**14 + 1),
        b"VP8X": [side + 1 for side in canvas],
    }
    names = tf.constant([list(name) for name in sides], tf.int64)
    is_named = tf.cast(tf.reduce_all(names == head[12:16], axis=1), tf.int64)
    return tuple(tf.reduce_sum(is_named * tf.stack(values)) for values in zip(*sides.values()))


def _of_jpeg_xl(numbers):
    """Read width and height at the beginning of a stream, in bits of which the last of a byte comes first."""
    import tensorflow as tf

    bits = tf.reshape(numbers[:, tf.newaxis] // 2 ** np.arange(8) % 2, [-1])
    bits = tf.concat([bits, tf.zeros(32, tf.int64)], 0)
    # The number of the 30 bits from each place on; one of fewer bits is what is left by a power of two.
    windows = tf.reduce_sum(tf.gather(bits, np.add.outer(np.arange(80), np.arange(30))) * 2 ** np.arange(30), 1)

    def read(place, power):
        return tf.gather(windows, place) % power

    def side(place):
        """Give a side, and where what follows it begins."""
        choice = read(place, 4)
        stated = read(place + 2, tf.gather(2 ** np.array(SIZE_BITS), choice)) + 1
        behind = tf.where(small, tf.constant(5, tf.int64), 2 + tf.gather(np.array(SIZE_BITS), choice))
        return tf.where(small, (read(place, 32) + 1) * 8, stated), place + behind

    small = bits[0] == 1
    height, place = side(tf.constant(1, tf.int64))
    numerator, denominator = tf.unstack(tf.gather(np.array(RATIOS), read(place, 8)))
    own, _ = side(place + 3)
    return tf.where(numerator == 0, own, height * numerator // denominator), height


def _stream(encoded, head):
    """Give the first bytes of a JPEG XL behind its signature."""
    import tensorflow as tf

    return tf.cond(head[0] == 0xFF, lambda: head[2:12], lambda: _stream_in_boxes(encoded))


def _stream_in_boxes(encoded):
    """Find the beginning of a stream in the box that holds it, or its first part behind four bytes of its number."""
    import tensorflow as tf

    data, end = _padded(encoded)
    names = tf.constant([list(b"jxlc"), list(b"jxlp")], tf.int64)

    def step(place, stream):
        header = numbers_of(data[place : place + 16])
        size, long = numbers_at(header, 16, ((0, 4), (12, 4)), False)
        is_long = size == 1  # and stands behind the name then, in eight bytes of which the last four are read
        found = tf.reduce_all(names == tf.ensure_shape(header[4:8], (4,)), axis=1)
        content = place + 8 + 8 * numbers_of(is_long) + 4 * numbers_of(found[1])
        stream = tf.where(tf.reduce_any(found), content, stream)
        return place + tf.maximum(tf.where(is_long, long, size), 8), stream

    start = (tf.constant(0, tf.int64), tf.constant(0, tf.int64))
    _, stream = tf.while_loop(
        lambda place, stream: (stream == 0) & (place < end), step, start, maximum_iterations=MOST_PARTS
    )
    with tf.control_dependencies([tf.debugging.Assert(stream > 0, ["a JPEG XL without an image"])]):
        return numbers_of(data[stream + 2 : stream + 12])


def _first_frame(encoded, head):
    """Cut a GIF behind its first frame, which is put at the corner: a decoder would read all frames."""
    import tensorflow as tf

    data, end = _padded(encoded)

    def behind_colors(place, flags):
        """Go behind a table of colors, if the flags say that there is one."""
        return place + tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    def behind_rows(place):
        """Go behind rows of bytes, each behind their number, up to an empty one."""
        (place,) = tf.while_loop(
            lambda place: (data[place] > 0) & (place < end),
            lambda place: (place + 1 + numbers_of(data[place]),),
            (place,),
            maximum_iterations=MOST_PARTS,
        )
        return place + 1

    (frame,) = tf.while_loop(
        lambda place: (data[place] == 0x21) & (place < end),
        lambda place: (behind_rows(place + 2),),
        (behind_colors(tf.constant(13, tf.int64), head[10]),),
        maximum_iterations=MOST_PARTS,
    )
    with tf.control_dependencies([tf.debugging.Assert(data[frame] == 0x2C, ["a GIF without a frame"])]):
        block = numbers_of(data[frame : frame + 10])
    place = behind_rows(behind_colors(frame + 10, block[9]) + 1)
    with tf.control_dependencies([tf.debugging.Assert(place <= end, ["a GIF that is cut in its first frame"])]):
        before = tf.strings.substr(encoded, 0 * frame, frame + 1)
        behind = tf.strings.substr(encoded, frame + 5, place - frame - 5)
    one = tf.strings.join([before, tf.constant(bytes(4)), behind, tf.constant(b";")])
    return _bounded(one, *numbers_at(block, 10, ((5, 2), (7, 2)), True))


def _padded(encoded):
    """Give the bytes of a file with zeros behind, and their number without these."""
    import tensorflow as tf

    data = tf.io.decode_raw(encoded, tf.uint8)
    return tf.concat([data, tf.zeros(PADDING, tf.uint8)], 0), tf.size(data, tf.int64)
