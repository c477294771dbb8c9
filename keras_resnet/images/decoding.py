"""Encoded images to pixels that stand upright, as operations of TensorFlow's graph: a SavedModel holds them too."""

from __future__ import annotations

from keras_resnet.images.extent import checked
from keras_resnet.images.numbers import numbers_at, numbers_of
from keras_resnet.images.orientation import exif_orientation, upright


def decode_image(encoded, channels: int):
    """Decode a file of one of `FORMATS` as uint8 (height, width, channels), upright as its EXIF says.

    Of several frames it is the first. Of 1 or 3 channels gray is repeated and colors are weighed; transparency is left
    out, of 16 bits the upper eight are kept, and four inks become colors. What is no image, a damaged one, or one of
    too many pixels (`extent.checked`) raises `tf.errors.InvalidArgumentError`.
    """
    import tensorflow as tf

    # All is written in operations already; to look for Python's `if` and `while` in it takes a second.
    return tf.autograph.experimental.do_not_convert(_decoded)(encoded, channels)


def _decoded(encoded, channels: int):
    import tensorflow as tf

    image = _as_stored(checked(encoded), channels)
    turned = exif_orientation(encoded)
    image = tf.cond(turned > 1, lambda: upright(image, turned), lambda: image)
    return tf.ensure_shape(image, (None, None, channels))


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
    has_inks = tf.cond(is_jpeg, lambda: tf.io.extract_jpeg_shape(encoded)[2] == 4, lambda: tf.constant(False))
    gives_gray = is_png | (is_jpeg & ~has_inks)
    return tf.cond(gives_gray, lambda: decode(1), lambda: tf.image.rgb_to_grayscale(colors()))


def _decode_bmp(encoded, decode):
    """Decode a BMP; with a byte a pixel it holds places in its palette, which TensorFlow's decoder takes for levels."""
    import tensorflow as tf

    head = numbers_of(tf.io.decode_raw(encoded, tf.uint8, fixed_length=34))
    behind, bits, compression = numbers_at(head, 34, ((14, 4), (28, 2), (30, 4)), True)

    def by_palette():
        palette = tf.strings.substr(encoded, 14 + behind, 4 * 256)
        colors = tf.reshape(tf.io.decode_raw(palette, tf.uint8, fixed_length=4 * 256), (256, 4))[:, 2::-1]
        return tf.gather(colors, tf.cast(tf.io.decode_bmp(encoded, channels=0)[..., 0], tf.int32))

    # 0 is none, 3 the order of the channels alone; the rest is run lengths, which would be read as pixels.
    tf.debugging.Assert((compression == 0) | (compression == 3), ["a compressed BMP"])
    return tf.cond(bits == 8, by_palette, lambda: decode(3))
