"""Each kind of pixels that a format can hold shows the same scene as its 8-bit PNG does."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from shared.media.images import decode, size
from tests import bombs


def scene(shape=(60, 80)):
    """A scene in [0, 1], grey, that uses its whole range."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    waves = np.sin(x / 7.0) * np.cos(y / 9.0) + np.exp(-((x - 50) ** 2 + (y - 20) ** 2) / 90)
    return (waves - waves.min()) / (waves.max() - waves.min())


def photo(shape=(60, 80)):
    """A colourful scene, (height, width, 3) uint8, moderately saturated."""
    grey = scene(shape)
    colours = np.stack([grey, np.flipud(grey), np.fliplr(grey)], axis=-1)
    return np.rint(40 + 170 * colours).astype(np.uint8)


EIGHT = np.rint(255 * scene()).astype(np.uint8)


def saved(image, kind="TIFF", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def tiff(samples, photometric=1, sample_format=None, order="<", extra=(), bits=None):
    """A plain TIFF of one strip; `extra`: further tags, number, type, values."""
    samples = np.asarray(samples)
    raw = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    depth = 1 if samples.ndim == 2 else samples.shape[2]
    bits = bits or samples.dtype.itemsize * 8
    kind = sample_format or {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags = [
        (256, 4, [samples.shape[1]]),
        (257, 4, [samples.shape[0]]),
        (258, 3, [bits] * depth),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (277, 3, [depth]),
        (278, 4, [samples.shape[0]]),
        (279, 4, [len(raw)]),
        (339, 3, [kind] * depth),
        *extra,
    ]
    sizes = {2: ("s", 1), 3: ("H", 2), 4: ("I", 4), 11: ("f", 4), 12: ("d", 8)}
    head = 8 + 2 + 12 * (len(tags) + 1) + 4
    blob, entries = b"", []
    for tag, code, values in sorted([*tags, (273, 4, None)]):
        if values is None:
            entries.append((tag, code, 1, None))
            continue
        if code == 2:
            packed, count = values, len(values)
        else:
            packed = struct.pack(f"{order}{len(values)}{sizes[code][0]}", *values)
            count = len(values)
        if len(packed) > 4:
            entries.append((tag, code, count, struct.pack(f"{order}I", head + len(blob))))
            blob += packed
        else:
            entries.append((tag, code, count, packed.ljust(4, b"\0")))
    place = struct.pack(f"{order}I", head + len(blob))
    lines = b"".join(
        struct.pack(f"{order}HHI", tag, code, count) + (value or place)
        for tag, code, count, value in entries
    )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    front = mark + struct.pack(f"{order}IH", 8, len(entries)) + lines + bytes(4)
    return front + blob + raw


def shows(data, expected=EIGHT, mean=1.5):
    """Assert that a file shows a scene as 8-bit grey or RGB does."""
    found = np.asarray(decode(data)).astype(float)
    assert found.shape[:2] == np.shape(expected)[:2]
    wanted = np.asarray(expected, dtype=float)
    if wanted.ndim == 2:
        wanted = wanted[..., None].repeat(3, axis=2)
    assert np.abs(found - wanted).mean() < mean


def with_spot(values, spot, at=(3, 3)):
    values = np.array(values)
    values[at] = spot
    return values


FLOATS = {
    "unit": lambda: scene(),
    "unit, one pixel at 1.02": lambda: with_spot(scene(), 1.02),
    "unit, one pixel at 1e9": lambda: with_spot(scene(), 1e9),
    "unit, a pixel at -5": lambda: with_spot(scene(), -5),
    "0 to 255": lambda: scene() * 255,
    "0 to 65535": lambda: scene() * 65535,
    "-1 to 1": lambda: scene() * 2 - 1,
    "0 to 1000": lambda: scene() * 1000,
    "0 to 1e-3": lambda: scene() * 1e-3,
    "0 to 1e6": lambda: scene() * 1e6,
    "-40 to 50": lambda: scene() * 90 - 40,
    "300 to 310": lambda: scene() * 10 + 300,
    "NaN in places": lambda: with_spot(scene(), np.nan, (slice(0, 2), slice(0, 30))),
    "inf": lambda: with_spot(with_spot(scene(), np.inf), -np.inf, (5, 5)),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FLOATS)
def test_a_float_tiff_shows_its_scene_whatever_its_range(name, dtype, order):
    shows(tiff(FLOATS[name]().astype(dtype), order=order), mean=4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint16, 0, 65535),
        (np.int16, 0, 32767),
        (np.int16, -32768, 32767),
        (np.int16, 0, 255),
        (np.uint32, 0, 2**32 - 1),
        (np.uint32, 0, 65535),
        (np.uint32, 0, 255),
        (np.int32, 0, 65535),
        (np.int32, -(2**31), 2**31 - 1),
        (np.int32, 0, 4095),
        (np.int8, -128, 127),
        (np.int8, 0, 127),
        (np.uint8, 0, 255),
    ],
)
def test_integers_of_any_width_and_sign_show_their_scene(dtype, low, high, order):
    samples = np.rint(low + scene() * (high - low)).astype(dtype)
    shows(tiff(samples, order=order), mean=2)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_white_is_zero_is_honoured_at_any_width(dtype, order):
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    samples = ((1 - scene()) * top).astype(dtype)
    shows(tiff(samples, photometric=0, order=order))


def test_a_range_that_the_file_names_is_the_one_taken():
    samples = (1000 + scene() * 2000).astype(np.uint16)
    shows(tiff(samples, extra=[(340, 3, [1000]), (341, 3, [3000])]))
    floats = (7 + scene() * 3).astype(np.float32)
    shows(tiff(floats, extra=[(340, 11, [7.0]), (341, 11, [10.0])]))
    dark = (scene() * 0.2).astype(np.float32)
    shows(tiff(dark, extra=[(340, 11, [0.0]), (341, 11, [1.0])]), np.rint(EIGHT * 0.2))


def test_a_range_that_the_file_names_wrongly_is_not_believed():
    samples = np.rint(scene() * 65535).astype(np.uint16)
    shows(tiff(samples, extra=[(340, 3, [0]), (341, 3, [1])]))
    shows(tiff(samples, extra=[(340, 3, [5]), (341, 3, [5])]))


def test_a_dark_picture_of_16_bits_stays_dark():
    shows(tiff(np.rint(scene() * 6000).astype(np.uint16)), np.rint(255 * scene() * 6000 / 65535))


def test_pixels_without_a_measurement_do_not_decide_the_range():
    heights = (100 + scene() * 900).astype(np.float32)
    heights[:20] = -9999
    found = np.asarray(decode(tiff(heights, extra=[(42113, 2, b"-9999\0")])))[..., 0]
    assert found[:20].max() == 0
    assert found[20:].max() > 235
    assert found[20:].std() > 30
    shows(tiff((scene() * 1000).astype(np.float32), extra=[(42113, 2, b"nan\0")]), mean=4)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["I;16", "F", "I"])
def test_compressed_tiffs_show_the_same(compression, mode):
    samples = {"I;16": np.uint16, "F": np.float32, "I": np.int32}[mode]
    top = 1 if mode == "F" else 65535
    image = Image.fromarray((scene() * top).astype(samples))
    shows(saved(image, compression=compression))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_of_16_bits_and_of_either_byte_order(dtype, order):
    samples = photo().astype(dtype) * (257 if dtype is np.uint16 else 1)
    shows(tiff(samples, photometric=2, order=order), photo())


def test_an_image_that_is_all_nan_or_flat_is_a_picture_too():
    assert decode(tiff(np.full((8, 8), np.nan, np.float32))).getextrema() == ((0, 0),) * 3
    assert decode(tiff(np.full((8, 8), 0.5, np.float32))).getpixel((0, 0))[0] in (127, 128)
    assert decode(tiff(np.zeros((8, 8), np.float32))).getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit_a_pixel(kind):
    bits = Image.fromarray(EIGHT > 127)
    shows(saved(bits, kind), np.where(EIGHT > 127, 255, 0))


def test_white_is_zero_with_one_bit():
    image = Image.fromarray(EIGHT > 127)
    shows(saved(image, "TIFF", tiffinfo={262: 0}), np.where(EIGHT > 127, 255, 0))


def test_16_bit_grey_png_with_a_transparent_value():
    samples = np.full((8, 8), 9000, np.uint16)
    samples[:, 4:] = 0
    data = saved(Image.fromarray(samples), "PNG", transparency=0)
    pixels = np.asarray(decode(data))
    assert pixels[0, 7].tolist() == [255, 255, 255]
    assert pixels[0, 0].tolist() == [35, 35, 35]


def test_premultiplied_alpha_is_divided_out_and_laid_over_white():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[...] = (100, 50, 0, 128)
    data = tiff(pixels, photometric=2, extra=[(338, 3, [1])])
    found = np.asarray(decode(data))[0, 0].astype(int)
    np.testing.assert_allclose(found, [100 + 127, 50 + 127, 127], atol=3)


def test_cmyk_of_tiff_and_of_jpeg_show_colours_as_they_are():
    cmyk = Image.fromarray(photo()).convert("CMYK")
    shows(saved(cmyk, "TIFF"), photo(), mean=3)
    shows(saved(cmyk, "JPEG", quality=95), photo(), mean=6)


def test_lab_tiff_is_converted():
    rgb = Image.fromarray(photo())
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    shows(saved(ImageCms.applyTransform(rgb, to_lab), "TIFF"), photo(), mean=3)


@pytest.mark.parametrize("compression", ["raw", "jpeg"])
def test_ycbcr_tiff(compression):
    image = Image.fromarray(photo()).convert("YCbCr")
    shows(saved(image, "TIFF", compression=compression), photo(), mean=8)


def test_planar_tiff():
    channels = photo()
    planes = np.concatenate([channels[..., band] for band in range(3)])
    strip = channels.shape[0] * channels.shape[1]
    data = tiff(planes, photometric=1)
    # The three planes stand one below the other as one picture; the tags make them one in colour.
    at = len(data) - planes.size
    tags = [
        (256, 4, 1, channels.shape[1]),
        (257, 4, 1, channels.shape[0]),
        (258, 3, 3, 400),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 3, 410),
        (277, 3, 1, 3),
        (278, 4, 1, channels.shape[0]),
        (279, 4, 3, 430),
        (284, 3, 1, 2),
    ]
    body = bytearray(1000) + data[at:]
    body[400:406] = struct.pack("<3H", 8, 8, 8)
    body[410:422] = struct.pack("<3I", *(1000 + n * strip for n in range(3)))
    body[430:442] = struct.pack("<3I", strip, strip, strip)
    head = bombs.tiff(tags)
    body[: len(head)] = head
    shows(bytes(body), photo())


def test_of_a_multi_page_tiff_and_of_an_mpo_the_first_is_taken():
    first, other = Image.fromarray(photo()), Image.new("RGB", (80, 60), "red")
    shows(saved(first, "TIFF", save_all=True, append_images=[other]), photo())
    shows(saved(first, "MPO", save_all=True, append_images=[other], quality=95), photo(), mean=4)


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_10_and_12_bits_of_heif(kind):
    deep = (photo().astype(np.uint16) << 8).tobytes()
    file = pillow_heif.from_bytes("RGB;16", (80, 60), deep)
    out = io.BytesIO()
    if kind == "HEIC":
        file.save(out, quality=95)
    else:
        Image.fromarray(photo()).save(out, "AVIF", quality=95)
    shows(out.getvalue(), photo(), mean=4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_honoured_in_every_format(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(photo()), kind, exif=exif.tobytes(), quality=95)
    reference = saved(Image.fromarray(photo()), "PNG", exif=exif.tobytes())
    upright = np.asarray(decode(reference))
    assert size(data) == decode(data).size == upright.shape[1::-1]
    shows(data, upright, mean=8)
