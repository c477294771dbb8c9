"""Image files: which are decoded, how large they may be, which way up they stand, and their pixels."""

from keras_resnet.images.decoding import decode_image
from keras_resnet.images.extent import MOST_PIXELS, checked, failure
from keras_resnet.images.formats import FORMATS, IMAGE_SUFFIXES
from keras_resnet.images.orientation import MOST_SEGMENTS, exif_orientation
from keras_resnet.images.reading import MOST_BYTES, read_image_file

__all__ = [
    "FORMATS",
    "IMAGE_SUFFIXES",
    "MOST_BYTES",
    "MOST_PIXELS",
    "MOST_SEGMENTS",
    "checked",
    "decode_image",
    "exif_orientation",
    "failure",
    "read_image_file",
]
