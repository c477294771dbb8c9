"""Encoded images to pixels that stand upright, as operations of TensorFlow's graph: a SavedModel holds them too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# What is decoded, by the endings of file names; which format a file has is read from its first bytes.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".jxl")
FORMATS = "JPEG, PNG, GIF, BMP, WebP or JPEG XL"

EXIF = b"Exif\0\0"
ORIENTATION, SHORT = 0x0112, 3  # a tag of TIFF, and the type of its value
# Segments of a file among which EXIF is looked for; in real files it is among the first dozen.
MOST_SEGMENTS = 100
# Zeros behind bytes that are read at positions which they themselves state, so that no header is cut off.
PADDING = 16


class _Container(NamedTuple):
    """How a format strings its segments together, each of a header, a content and perhaps an end.

    Args:
        signature: bytes of the file, and their place.
        place: int.
        first: int, where the first segment begins.
        name: slice of the header that says what the segment is.
        size: slice of the header that says how long it is.
        little: bool, whether the last byte of the size counts most.
        header: int, bytes before the content.
        extra: int, bytes of the segment that its size does not count.
        even: bool, whether a segment of odd size is followed by one more byte.
        exif: bytes, the name of a segment of EXIF.
        marked: bool, whether the content must begin with `EXIF`; other segments may have the name too.
        last: bytes, the name of the segment behind which none is looked for.
    """

    signature: bytes
    place: int
    first: int
    name: slice
    size: slice
    little: bool
    header: int
    extra: int
    even: bool
    exif: bytes
    marked: bool
    last: bytes


CONTAINERS = (
    _Container(
        signature=b"\xff\xd8",
        place=0,
        first=2,
        name=slice(0, 2),
        size=slice(2, 4),
        little=False,
        header=4,
        extra=2,
        even=False,
        exif=b"\xff\xe1",
        marked=True,
        last=b"\xff\xda",
    ),
    _Container(
        signature=b"\x89PNG",
        place=0,
        first=8,
        name=slice(4, 8),
        size=slice(0, 4),
        little=False,
        header=8,
        extra=12,
        even=False,
        exif=b"eXIf",
        marked=False,
        last=b"IDAT",
    ),
    _Container(
        signature=b"WEBP",
        place=8,
        first=12,
        name=slice(0, 4),
        size=slice(4, 8),
        little=True,
        header=8,
        extra=8,
        even=True,
        exif=b"EXIF",
        marked=False,
        last=b"",
    ),
)


def decode_image(encoded, channels: int):
    """Decode a file of one of `FORMATS` as uint8 (height, width, channels), upright as its EXIF says.

    Of several frames it is the first. Of 1 or 3 channels gray is repeated and colors are weighed; transparency is left
    out. What is no image, or a damaged one, raises `tf.errors.InvalidArgumentError`.
    """
    import tensorflow as tf

    image = _as_stored(encoded, channels)
    turned = exif_orientation(encoded)
    image = tf.cond(turned > 1, lambda: _upright(image, turned), lambda: image)
    return tf.ensure_shape(image, (None, None, channels))


def exif_orientation(encoded):
    """Read how to turn an image, 1 to 8 as EXIF counts, from any bytes; 1, upright, if they do not say.

    Source: JEITA CP-3451 (Exif 2.3), 4.5.4 and 4.6.4; PNG, third edition, 11.3.4.5; WebP container specification.
    """
    import tensorflow as tf

    def find():
        return _tiff_orientation(_exif_content(_padded(tf.io.decode_raw(encoded, tf.uint8))))

    # A look for the word spares most files the walk, which takes as long as decoding a small image.
    return tf.cond(tf.strings.regex_full_match(encoded, r"\C*(?i:exif)\C*"), find, lambda: tf.constant(1))


def _as_stored(encoded, channels: int):
    """Decode the pixels in the order in which they are stored."""
    import tensorflow as tf

    def decode(count: int):
        image = tf.io.decode_image(encoded, channels=count, expand_animations=False)
        return tf.ensure_shape(image, (None, None, count))

    def colors():
        is_bmp = tf.strings.substr(encoded, 0, 2) == b"BM"
        return tf.cond(is_bmp, lambda: _decode_bmp(encoded, decode), lambda: decode(3))

    if channels == 3:
        return colors()
    # The decoders of the other formats, and that of JPEG for images of four inks, do not give gray.
    is_jpeg, is_png = (tf.strings.substr(encoded, 0, 2) == signature for signature in (b"\xff\xd8", b"\x89P"))
    has_inks = tf.cond(is_jpeg, lambda: tf.io.extract_jpeg_shape(encoded)[2] == 4, lambda: False)
    gives_gray = is_png | (is_jpeg & ~has_inks)
    return tf.cond(gives_gray, lambda: decode(1), lambda: tf.image.rgb_to_grayscale(colors()))


def _decode_bmp(encoded, decode):
    """Decode a BMP; with a byte a pixel it holds places in its palette, which TensorFlow's decoder takes for levels."""
    import tensorflow as tf

    head = _numbers(tf.io.decode_raw(encoded, tf.uint8, fixed_length=34))
    bits, compression = (_number(head[place : place + size], True) for place, size in ((28, 2), (30, 4)))

    def by_palette():
        palette = tf.strings.substr(encoded, 14 + _number(head[14:18], True), 4 * 256)
        colors = tf.reshape(tf.io.decode_raw(palette, tf.uint8, fixed_length=4 * 256), (256, 4))[:, 2::-1]
        return tf.gather(colors, tf.cast(tf.io.decode_bmp(encoded, channels=0)[..., 0], tf.int32))

    # 0 is none, 3 the order of the channels alone; the rest is run lengths, which would be read as pixels.
    tf.debugging.Assert((compression == 0) | (compression == 3), ["a compressed BMP"])
    return tf.cond(bits == 8, by_palette, lambda: decode(3))


def _upright(image, orientation):
    """Turn an image that is stored as an EXIF orientation says."""
    import tensorflow as tf

    def among(*orientations: int):
        return tf.reduce_any(orientation == tf.constant(orientations))

    image = tf.cond(among(5, 6, 7, 8), lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    # Not image[:, ::-1], which takes seven times as long as the decoding.
    image = tf.cond(among(2, 3, 6, 7), lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(among(3, 4, 7, 8), lambda: tf.reverse(image, [0]), lambda: image)


def _exif_content(data):
    """Walk, in a file with zeros behind, to the segment of EXIF; give its content without its mark, or nothing."""
    import tensorflow as tf

    signatures = np.zeros((len(CONTAINERS), PADDING), "uint8")
    for row, one in zip(signatures, CONTAINERS):
        row[one.place : one.place + len(one.signature)] = list(one.signature)
    matches = tf.reduce_all((data[:PADDING] == signatures) | (signatures == 0), axis=1)
    own = {name: tf.constant(column)[tf.argmax(matches)] for name, column in _columns().items()}

    def step(begin, end, position, more):
        header = _numbers(data[position : position + 8])
        name, size = (tf.reduce_sum(header * own[weights]) for weights in ("name", "size"))
        content = position + own["header"]
        following = position + own["extra"] + size + size % 2 * own["even"]
        # The name of a JPEG's segment may be preceded by any number of bytes 255.
        following = tf.where(name == 0xFFFF, position + 1, following)
        has_mark = tf.reduce_all(data[content : content + len(EXIF)] == tf.constant(list(EXIF), tf.uint8))
        found = (name == own["exif"]) & (has_mark | ~own["marked"])
        begin = tf.where(found, content + tf.where(has_mark, tf.constant(len(EXIF), tf.int64), 0), begin)
        # Each name is that of a segment only if it is 0xFF00 or more: what follows in a JPEG would else be no segment.
        more = ~found & (name >= 0xFF00) & (name != own["last"]) & (following < tf.size(data, tf.int64) - PADDING)
        return begin, tf.where(found, following, end), following, more

    start = (tf.constant(0, tf.int64), tf.constant(0, tf.int64), own["first"], tf.reduce_any(matches))
    begin, end, _, _ = tf.while_loop(lambda *state: state[-1], step, start, maximum_iterations=MOST_SEGMENTS)
    return data[begin:end]


def _columns() -> dict[str, np.ndarray]:
    """Lay out `CONTAINERS` as columns of numbers; a name or size is a weighted sum over the bytes of the header."""

    def weights(part: slice, little: bool) -> list[int]:
        places = range(8)[part]
        return [256 ** (p - places[0] if little else places[-1] - p) if p in places else 0 for p in range(8)]

    rows = [
        {
            "name": weights(one.name, False),
            "size": weights(one.size, one.little),
            "exif": int.from_bytes(one.exif, "big"),
            "last": int.from_bytes(one.last, "big"),
            **{field: getattr(one, field) for field in ("first", "header", "extra", "even")},
        }
        for one in CONTAINERS
    ]
    columns = {name: np.array([row[name] for row in rows], "int64") for name in rows[0]}
    return {**columns, "marked": np.array([one.marked for one in CONTAINERS])}


def _tiff_orientation(tiff):
    """Read the orientation in the first directory of a TIFF, which is what EXIF consists of, from any bytes."""
    import tensorflow as tf

    length = tf.size(tiff, tf.int64)
    tiff = _padded(tiff)
    head = _numbers(tiff[:8])
    little, big = (tf.reduce_all(head[:4] == tf.constant(list(mark), tf.int64)) for mark in (b"II*\0", b"MM\0*"))
    place = tf.minimum(_number(head[4:], little), length)
    entries = tiff[place + 2 : place + 2 + 12 * _number(_numbers(tiff[place : place + 2]), little)]
    entries = _numbers(tf.reshape(entries[: tf.size(entries) // 12 * 12], (-1, 12)))
    tag, kind, count, value = (_number(entries[:, a:b], little) for a, b in ((0, 2), (2, 4), (4, 8), (8, 10)))
    valid = (tag == ORIENTATION) & (kind == SHORT) & (count == 1) & (value >= 1) & (value <= 8) & (little | big)
    return tf.cast(tf.concat([[1], tf.boolean_mask(value, valid)], 0)[-1], tf.int32)


def _padded(data):
    import tensorflow as tf

    return tf.concat([data, tf.zeros(PADDING, tf.uint8)], 0)


def _numbers(data):
    import tensorflow as tf

    return tf.cast(data, tf.int64)


def _number(numbers, little):
    """Put bytes together to a number, along the last axis, which is of two or four."""
    import tensorflow as tf

    powers = 256 ** tf.range(tf.shape(numbers, tf.int64)[-1])
    return tf.reduce_sum(numbers * tf.where(little, powers, powers[::-1]), axis=-1)
