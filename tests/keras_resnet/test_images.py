"""Encoded images against Pillow: which pixels they hold, and which way up; how large they may be."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps

from keras_resnet.images import IMAGE_SUFFIXES, MOST_SEGMENTS, checked, decode_image, exif_orientation, extent, failure
from keras_resnet.images.extent import TOO_MANY

TURNED = range(2, 9)
FILE = tf.TensorSpec((), tf.string)


@pytest.fixture(scope="module")
def decode():
    """Make the function that decodes bytes in a graph, as a pipeline and a SavedModel do."""
    graphs = {
        channels: tf.function(
            lambda encoded, channels=channels: decode_image(encoded, channels), input_signature=[FILE]
        )
        for channels in (1, 3)
    }
    return lambda encoded, channels=3: graphs[channels](tf.constant(encoded)).numpy()


@pytest.fixture(scope="module")
def orientation():
    graph = tf.function(exif_orientation, input_signature=[FILE])
    return lambda encoded: int(graph(tf.constant(encoded)))


def picture(mode: str = "RGB") -> Image.Image:
    """Draw an image without any symmetry, smooth enough for JPEG."""
    rows, columns = np.mgrid[:24, :40]
    channels = (rows * 10, columns * 6, (rows + columns) * 3)
    return Image.fromarray(np.stack(channels, -1).astype("uint8")).convert(mode)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def upright(encoded: bytes, mode: str = "RGB") -> np.ndarray:
    """Decode by Pillow, which turns the image as its EXIF says."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert(mode))


def exif(value: int, order: str = "<", before: tuple = ((0x010F, 3, 1, 7),)) -> bytes:
    """Write a TIFF directory of entries (tag, type, count, value), the last of which is the orientation."""
    entries = [*before, (0x0112, 3, 1, value)]
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    packed = [struct.pack(f"{order}HHIHH", tag, kind, count, number, 0) for tag, kind, count, number in entries]
    return header + b"".join(packed) + bytes(4)


def with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Put segments (marker, content) behind the first two bytes of a JPEG."""
    packed = (struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments)
    return jpeg[:2] + b"".join(packed) + jpeg[2:]


def app1(tiff: bytes) -> tuple[int, bytes]:
    return 0xE1, b"Exif\0\0" + tiff


JPEG = encode(picture(), "JPEG", quality=95)


# Orientation.


@pytest.mark.sampled(4)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", TURNED)
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpeg_is_turned_as_pillow_turns_it(decode, value, order, options):
    stored = encode(picture(), "JPEG", quality=95, **options)
    encoded = with_segments(stored, app1(exif(value, order)))
    expected = upright(encoded)
    assert expected.shape == ((40, 24, 3) if value >= 5 else (24, 40, 3))
    assert not np.array_equal(expected, np.asarray(Image.open(io.BytesIO(stored))))
    decoded = decode(encoded)
    assert np.abs(decoded.astype(int) - expected).max() <= 6  # the decoders of JPEG round differently


def test_turned_jpeg_has_the_very_pixels_of_the_stored_one(decode):
    turns = {
        2: lambda image: image[:, ::-1],
        3: lambda image: np.rot90(image, 2),
        4: lambda image: image[::-1],
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, -1),
        7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
        8: lambda image: np.rot90(image),
    }
    stored = tf.io.decode_image(JPEG).numpy()
    for value, turn in turns.items():
        np.testing.assert_array_equal(decode(with_segments(JPEG, app1(exif(value)))), turn(stored))
    np.testing.assert_array_equal(decode(JPEG), stored)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("value", TURNED)
@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_png_and_webp_are_turned_as_pillow_turns_them(decode, value, kind, options):
    information = Image.Exif()
    information[0x0112] = value
    encoded = encode(picture(), kind, exif=information, **options)
    np.testing.assert_array_equal(decode(encoded), upright(encoded))


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_webp_may_mark_its_exif_as_jpeg_does(orientation, prefix):
    encoded, content = encode(picture(), "WEBP", exif=exif(1)), prefix + exif(6)
    place = encoded.index(b"EXIF")
    assert orientation(encoded[:place] + b"EXIF" + struct.pack("<I", len(content)) + content) == 6


def test_grey_images_are_turned_too(decode):
    encoded = with_segments(encode(picture("L"), "JPEG", quality=95), app1(exif(6)))
    assert np.abs(decode(encoded, 1)[..., 0].astype(int) - upright(encoded, "L")).max() <= 3


def test_exif_is_found_behind_other_segments(orientation):
    ahead = [(0xE0, b"JFIF\0" + bytes(9)), (0xE1, b"http://ns.adobe.com/xap/1.0/\0Exif"), (0xE2, bytes(65000))]
    assert orientation(with_segments(JPEG, *ahead, app1(exif(8)))) == 8


def test_bytes_that_fill_up_before_a_marker_are_skipped(orientation):
    encoded = with_segments(JPEG, app1(exif(3)))
    assert orientation(encoded[:2] + b"\xff" * 5 + encoded[2:]) == 3


def test_orientation_of_the_thumbnail_is_not_the_images(orientation):
    thumbnail = exif(3)[8:]
    directory = exif(6)[:-4] + struct.pack("<I", len(exif(6))) + thumbnail
    encoded = with_segments(JPEG, app1(directory))
    assert Image.open(io.BytesIO(encoded)).getexif().get_ifd(ExifTags.IFD.IFD1)[0x0112] == 3
    assert orientation(encoded) == 6
    without = exif(6, before=())[:8] + struct.pack("<HI", 0, 14) + thumbnail
    assert orientation(with_segments(JPEG, app1(without))) == 1


def test_pillow_and_a_long_directory_agree(orientation):
    information = Image.Exif()
    for tag in range(0x0100, 0x0112):
        information[tag] = 5
    information[0x0112], information[0x013B] = 7, "an artist"
    assert orientation(encode(picture(), "JPEG", exif=information)) == 7


ODD = {
    "zero": exif(0),
    "nine": exif(9),
    "big": exif(60000),
    "count": exif(1, before=((0x0112, 3, 2, 6),)),
    "type": exif(1, before=((0x0112, 2, 1, 6),)),
    "no directory": exif(6)[:8],
    "cut": exif(6)[:-8],
    "empty": b"",
    "order": b"XX" + exif(6)[2:],
    "magic": b"II+\0" + exif(6)[4:],
    "offset behind the end": b"II*\0\xff\xff\xff\xff" + exif(6)[8:],
    "offset to itself": b"II*\0\0\0\0\0",
    "many entries": b"II*\0\x08\0\0\0\xff\xff",
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("tiff", ODD.values(), ids=ODD)
def test_odd_exif_means_upright(decode, orientation, tiff):
    encoded = with_segments(JPEG, app1(tiff))
    assert orientation(encoded) == 1
    np.testing.assert_array_equal(decode(encoded), decode(JPEG))


def test_no_bytes_make_the_search_fail(orientation):
    generator = np.random.default_rng(0)
    files = [
        with_segments(JPEG, app1(exif(6))),
        encode(picture(), "PNG", exif=exif(6)),
        encode(picture(), "WEBP", exif=exif(6)),
    ]
    for encoded in files:
        assert orientation(encoded) == 6
        for cut in [*range(60), *range(60, len(encoded), 37)]:
            assert orientation(encoded[:cut] + b"Exif") in range(1, 9)
        for _ in range(100):
            changed = np.frombuffer(encoded, "uint8").copy()
            places = generator.integers(0, min(len(changed), 120), 4)
            changed[places] = generator.choice([0, 1, 127, 128, 255], 4)
            assert orientation(changed.tobytes() + b"Exif") in range(1, 9)


def test_search_ends_after_so_many_segments(orientation):
    empty = [(0xE0, b"")] * (MOST_SEGMENTS - 1)
    assert orientation(with_segments(JPEG, *empty, app1(exif(6)))) == 6
    assert orientation(with_segments(JPEG, *empty, (0xE0, b""), app1(exif(6)))) == 1
    assert orientation(JPEG[:2] + b"\xff" * 1_000_000 + b"Exif") == 1


# Formats.

FORMATS = {
    "grey JPEG": encode(picture("L"), "JPEG", quality=95),
    "JPEG of four inks": encode(picture("CMYK"), "JPEG", quality=95),
    "palette PNG": encode(picture("P"), "PNG"),
    "PNG of two levels": encode(picture("1"), "PNG"),
    "transparent PNG": encode(picture("RGBA"), "PNG"),
    "transparent grey PNG": encode(picture("LA"), "PNG"),
    "GIF": encode(picture("P"), "GIF"),
    "moving GIF": encode(picture("P"), "GIF", save_all=True, append_images=[picture("P").rotate(180)]),
    "BMP": encode(picture(), "BMP"),
    "grey BMP": encode(picture("L"), "BMP"),
    "palette BMP": encode(picture("P"), "BMP"),
    "BMP of four channels": encode(picture("RGBA"), "BMP"),
    "WebP": encode(picture(), "WEBP"),
    "transparent WebP": encode(picture("RGBA"), "WEBP", lossless=True),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("encoded", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
def test_formats_decode_like_pillow(decode, encoded, channels, mode):
    with Image.open(io.BytesIO(encoded)) as image:
        expected = np.asarray(image.convert("RGB").convert(mode)).reshape(24, 40, channels)
    decoded = decode(encoded, channels)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - expected).max() <= 6


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["grey JPEG", "palette PNG", "GIF"])
def test_image_is_decoded_outside_a_graph_as_in_one(decode, name, channels):
    alone = decode_image(tf.constant(FORMATS[name]), channels)
    np.testing.assert_array_equal(alone, decode(FORMATS[name], channels))


def test_sixteen_bits_are_cut_to_eight(decode):
    levels = np.arange(24 * 40, dtype="uint16").reshape(24, 40) * 68
    decoded = decode(encode(Image.fromarray(levels), "PNG"))
    np.testing.assert_array_equal(decoded, np.repeat(levels[..., np.newaxis] >> 8, 3, -1))


def test_jpeg_xl_is_decoded(decode):
    # Four pixels, written without loss by libjxl.
    encoded = bytes.fromhex("ff0a081010090800010050004b188b15c2496359be400400091a24c500d08300")
    np.testing.assert_array_equal(decode(encoded), [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 99, 199]]])


REFUSED = {
    "nothing": b"",
    "text": b"not an image",
    "cut JPEG": JPEG[: len(JPEG) // 2],
    "cut PNG": encode(picture(), "PNG")[:70],
    "TIFF": encode(picture(), "TIFF"),
    "compressed BMP": encode(picture("P"), "BMP")[:30] + b"\1" + encode(picture("P"), "BMP")[31:],
    "BMP of two levels": encode(picture("1"), "BMP"),
    "moving WebP": encode(picture(), "WEBP", save_all=True, append_images=[picture().rotate(180)]),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("encoded", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_no_image_raises_one_kind_of_error(decode, encoded, channels):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(encoded, channels)


def test_suffixes_are_lower_case():
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)


# Sizes.


def png_of(width: int, height: int) -> bytes:
    """Write a PNG that states a size, and holds one row of zeros."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 + 3 * width), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg_of(width: int, height: int) -> bytes:
    place = JPEG.index(b"\xff\xc0")
    return JPEG[: place + 5] + struct.pack(">HH", height, width) + JPEG[place + 9 :]


FRAME = b"," + struct.pack("<HHHH", 0, 0, 40, 24)  # of a GIF as large as the picture


def gif_of(width: int, height: int) -> bytes:
    encoded = encode(picture("P"), "GIF")
    place = encoded.index(FRAME)
    return encoded[: place + 5] + struct.pack("<HH", width, height) + encoded[place + 9 :]


def webp_of(width: int, height: int) -> bytes:
    encoded = encode(picture(), "WEBP", lossless=True)
    bits = int.from_bytes(encoded[21:25], "little") >> 28 << 28 | (height - 1) << 14 | (width - 1)
    return encoded[:21] + bits.to_bytes(4, "little") + encoded[25:]


def lossy_webp_of(width: int, height: int) -> bytes:
    encoded = encode(picture(), "WEBP", quality=80)
    return encoded[:26] + struct.pack("<HH", width, height) + encoded[30:]


def extended_webp_of(width: int, height: int) -> bytes:
    encoded = encode(picture(), "WEBP", exif=exif(1))
    return encoded[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + encoded[30:]


def jpeg_xl_of(width: int, height: int) -> bytes:
    """Begin a stream of JPEG XL: no small size, a height of 30 bits, no ratio, a width of 30 bits."""
    bits = (3 << 1) | (height - 1) << 3 | (3 << 36) | (width - 1) << 38
    return b"\xff\x0a" + bits.to_bytes(9, "little") + bytes(20)


def boxed(stream: bytes, name: bytes = b"jxlc", before: bytes = b"") -> bytes:
    """Put a stream of JPEG XL into boxes, behind another one."""
    boxes = [(b"JXL ", b"\r\n\x87\n"), (b"ftyp", b"jxl \0\0\0\0jxl "), (b"Exif", bytes(4) + exif(6))]
    packed = [struct.pack(">I", len(content) + 8) + name + content for name, content in boxes]
    return b"".join(packed) + struct.pack(">I", len(stream) + len(before) + 8) + name + before + stream


BOMBS = {
    "PNG": png_of(20_000, 20_000),
    "PNG of one row": png_of(2**27, 1),
    "JPEG": jpeg_of(10_000, 9_000),
    "GIF": gif_of(65_535, 65_535),
    "lossless WebP": webp_of(16_383, 16_383),
    "WebP": lossy_webp_of(16_383, 16_383),
    "extended WebP": extended_webp_of(2**24, 2**24),
    "JPEG XL": jpeg_xl_of(2**30, 2**30),
    "JPEG XL in a box": boxed(jpeg_xl_of(12_000, 9_000)),
    "JPEG XL in parts": boxed(jpeg_xl_of(12_000, 9_000), b"jxlp", bytes(4)),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("encoded", BOMBS.values(), ids=BOMBS)
def test_image_of_too_many_pixels_is_refused_before_it_is_decoded(decode, encoded):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for channels in (3, 1):
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"\d+ x \d+ {TOO_MANY}") as refused:
            decode(encoded, channels)
    assert failure("a.png", refused.value).endswith("pixels, and images of more than 89,478,485 are not decoded.")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.parametrize("make", [png_of, jpeg_of, gif_of, webp_of, lossy_webp_of, extended_webp_of, jpeg_xl_of])
def test_size_is_read_as_it_is_stated(make):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"12345 x 11111 {TOO_MANY}"):
        checked(tf.constant(make(12_345, 11_111)))
    encoded = tf.constant(make(9_000, 9_500))
    assert checked(encoded) == encoded


@pytest.mark.parametrize(
    ("bits", "sides"),
    [
        # values, each with its bits: small, height / 8 - 1, ratio; and behind a ratio of zero the width
        ((1, 1, 31, 5, 7, 3), (512, 256)),
        ((1, 1, 31, 5, 0, 3, 2, 5), (24, 256)),
        ((0, 1, 1, 2, 4999, 13, 2, 3), (6000, 5000)),
        ((0, 1, 2, 2, 99_999, 18, 0, 3, 0, 2, 9, 9), (10, 100_000)),
    ],
)
def test_sizes_of_jpeg_xl_are_read_in_all_ways_in_which_they_are_written(bits, sides):
    total = place = 0
    for value, count in zip(bits[::2], bits[1::2]):
        total, place = total | value << place, place + count
    width, height = extent._of_jpeg_xl(tf.constant(list(total.to_bytes(10, "little")), tf.int64))
    assert (int(width), int(height)) == sides


def test_of_a_gif_the_first_frame_is_decoded_alone(decode):
    first, second = picture("P"), picture("P").rotate(180)
    moving = encode(first, "GIF", save_all=True, append_images=[second, first, second], comment=b"words " * 200)
    np.testing.assert_array_equal(decode(moving), decode(encode(first, "GIF")))
    np.testing.assert_array_equal(decode(moving[: len(moving) * 2 // 3]), decode(moving))  # cut in a later frame
    assert len(checked(tf.constant(moving)).numpy()) < len(moving) * 2 // 3


def test_frame_of_a_gif_that_lies_elsewhere_is_decoded_whole(decode):
    encoded = encode(picture("P"), "GIF")
    place = encoded.index(FRAME)
    moved = encoded[: place + 1] + struct.pack("<HH", 30, 20) + encoded[place + 5 :]
    np.testing.assert_array_equal(decode(moved), decode(encoded))


def test_walk_through_a_gif_ends(decode):
    encoded = encode(picture("P"), "GIF")
    place = encoded.index(FRAME)
    for blocks in (b"\x21\xfe" + b"\x01x" * 200_000, b"\x21\xfe\0" * 200_000, b"\x21\xfe\xff", b"!", b""):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(encoded[:place] + blocks)
