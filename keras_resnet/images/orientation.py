"""Which way up an image stands: the orientation that its EXIF states, in JPEG, PNG and WebP."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from keras_resnet.images.numbers import marked, numbers_at, numbers_of

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


def exif_orientation(encoded):
    """Read how to turn an image, 1 to 8 as EXIF counts, from any bytes; 1, upright, if they do not say.

    Source: JEITA CP-3451 (Exif 2.3), 4.5.4 and 4.6.4; PNG, third edition, 11.3.4.5; WebP container specification.
    """
    import tensorflow as tf

    def find():
        return _tiff_orientation(_exif_content(_padded(tf.io.decode_raw(encoded, tf.uint8))))

    # A look for the word spares most files the walk, which takes as long as decoding a small image.
    return tf.cond(tf.strings.regex_full_match(encoded, r"\C*(?i:exif)\C*"), find, lambda: tf.constant(1))


def upright(image, orientation):
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

    matches = marked(numbers_of(data[:PADDING]), PADDING, [{one.place: one.signature} for one in CONTAINERS])
    place = tf.argmax(matches)
    own = {name: tf.gather(column, place) for name, column in _columns().items()}

    def step(begin, end, position, more):
        header = numbers_of(data[position : position + 8])
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
    head = numbers_of(tiff[:8])
    little, big = (tf.reduce_all(head[:4] == tf.constant(list(mark), tf.int64)) for mark in (b"II*\0", b"MM\0*"))
    (stated,) = numbers_at(head, 8, ((4, 4),), little)
    place = tf.minimum(stated, length)
    (many,) = numbers_at(numbers_of(tiff[place : place + 2]), 2, ((0, 2),), little)
    entries = tiff[place + 2 : place + 2 + 12 * many]
    entries = numbers_of(tf.reshape(entries[: tf.size(entries) // 12 * 12], (-1, 12)))
    tag, kind, count, value = numbers_at(entries, 12, ((0, 2), (2, 2), (4, 4), (8, 2)), little)
    valid = (tag == ORIENTATION) & (kind == SHORT) & (count == 1) & (value >= 1) & (value <= 8) & (little | big)
    return tf.cast(tf.concat([[1], tf.boolean_mask(value, valid)], 0)[-1], tf.int32)


def _padded(data):
    import tensorflow as tf

    return tf.concat([data, tf.zeros(PADDING, tf.uint8)], 0)
