import io
import struct
import time
import zlib
from contextlib import suppress

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from shared.core.errors import BadImage
from shared.media.images import decode, media_type

LOSSY = {"JPEG": 12, "WEBP": 16, "AVIF": 16, "HEIC": 16, "GIF": 40}
"""Format -> the mean deviation, of 255, that its compression or palette may cause."""
KINDS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIC"]


def png_header(width, height):
    """A PNG of that size on paper, with next to no pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def saved(image, kind, **options):
    buffer = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(seed=0, size=(97, 64)):
    """An RGB picture with structure, another one for each seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)


def deviation(one, other):
    return np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_gives_its_pixels(kind):
    image = decode(saved(picture(), kind))
    assert (image.mode, image.size) == ("RGB", (97, 64))
    assert deviation(image, picture()) <= LOSSY.get(kind, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_media_type_is_that_of_the_content(kind):
    assert media_type(saved(picture(), kind)) == f"image/{kind.lower()}"
    assert media_type(b"<svg/>") == media_type(b"") == "application/octet-stream"


def test_a_jpeg_may_come_out_smaller_where_few_pixels_will_do():
    data = saved(picture(size=(800, 400)), "JPEG", quality=95)
    small = decode(data, least=100)
    assert small.size == (200, 100)
    assert deviation(small, decode(data).resize((200, 100))) < 12
    assert decode(saved(picture(), "PNG"), least=10).size == (97, 64)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture(), "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode(data), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_orientation_is_honoured_once_where_the_container_has_its_own(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture(), kind, exif=exif.tobytes(), quality=90)
    plain = io.BytesIO(saved(picture(), "PNG", exif=exif))
    expected = ImageOps.exif_transpose(Image.open(plain))
    image = decode(data)
    assert image.size == expected.size
    assert deviation(image, expected) < 12


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_cost_the_picture():
    data = saved(picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(data).size == (97, 64)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "AVIF"])
def test_of_many_frames_the_first_is_taken(kind):
    data = saved(picture(0), kind, save_all=True, append_images=[picture(1)])
    assert deviation(decode(data), picture(0)) < deviation(decode(data), picture(1)) / 2


def test_cmyk_jpeg():
    data = saved(picture().convert("CMYK"), "JPEG", quality=95)
    assert deviation(decode(data), picture()) < 8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_cut(kind):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, axis=0)
    pixels = np.asarray(decode(saved(Image.fromarray(ramp), kind)))
    np.testing.assert_allclose(pixels[0, :, 1], np.arange(256), atol=1)


def test_16_bits_a_channel_in_colour():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None].repeat(64, 0).repeat(3, 2)
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (256, 64), ramp.tobytes()).save(buffer, quality=-1)
    pixels = np.asarray(decode(buffer.getvalue()))
    np.testing.assert_allclose(pixels[0, :, 1], np.arange(256), atol=1)


def test_cmyk_tiff_and_palettes():
    for image, kind in (
        (picture().convert("CMYK"), "TIFF"),
        (picture().quantize(64), "PNG"),
        (picture().quantize(64), "BMP"),
    ):
        assert deviation(decode(saved(image, kind)), picture()) < 20


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIC", "TIFF"])
def test_alpha_in_other_formats(kind):
    image = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    image.paste((10, 20, 30, 255), (0, 0, 32, 64))
    pixels = np.asarray(decode(saved(image, kind, quality=95)))
    np.testing.assert_allclose(pixels[32, 60], 255, atol=3)
    assert pixels[32, 4].max() < 60


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        ([b"heic", b"mif1"], "image/heic"),
        ([b"mif1", b"heic"], "image/heic"),
        ([b"msf1", b"hevc"], "image/heic"),
        ([b"avif", b"mif1"], "image/avif"),
        ([b"mif1", b"avif", b"miaf"], "image/avif"),
        ([b"isom", b"mp42"], "video/mp4"),
    ],
)
def test_brands_tell_heic_from_avif_and_from_films(brands, expected):
    body = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    assert media_type(struct.pack(">I", 4 + len(body)) + body) == expected


def test_float_tiff_in_unit_range():
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(4, axis=0)
    pixels = np.asarray(decode(saved(Image.fromarray(ramp), "TIFF")))
    np.testing.assert_allclose(pixels[0, :, 0], np.arange(256), atol=1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_means_white(mode):
    image = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    image.paste((10, 20, 30, 255), (0, 0, 4, 8))
    pixels = np.asarray(decode(saved(image.convert(mode), "PNG")))
    assert pixels[0, 7].tolist() == [255, 255, 255]
    assert pixels[0, 0].max() < 60


def test_half_transparent_is_mixed_with_white():
    pixels = np.asarray(decode(saved(Image.new("RGBA", (2, 2), (0, 0, 0, 128)), "PNG")))
    np.testing.assert_allclose(pixels, 127, atol=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_odd_shapes(size):
    assert decode(saved(Image.new("L", size, 7), "PNG")).size == size


@pytest.mark.parametrize(
    "data",
    [
        png_header(30_000, 30_000),
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0," + b"\0" * 40,
        b"BM"
        + struct.pack("<IHHI", 99, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0),
    ],
    ids=["png", "gif", "bmp"],
)
def test_bomb_is_refused_from_its_header(data):
    started = time.thread_time()
    with pytest.raises(BadImage, match=r"over the limit of 100 million \(ISE_MAX_PIXELS\)"):
        decode(data)
    # Of the processor's time, which no other process takes away.
    assert time.thread_time() - started < 0.1


def test_the_limit_is_inclusive():
    data = saved(picture(), "PNG")
    assert decode(data, max_pixels=97 * 64).size == (97, 64)
    with pytest.raises(BadImage, match="97 x 64 pixels are over the limit of 6,207"):
        decode(data, max_pixels=97 * 64 - 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.05, 0.2])
def test_truncated_is_refused(kind, part):
    data = saved(picture(), kind)
    with pytest.raises(BadImage):
        decode(data[: int(len(data) * part)])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "HEIC"])
def test_truncated_is_refused_where_a_part_cannot_be_read(kind):
    data = saved(picture(), kind)
    with pytest.raises(BadImage):
        decode(data[: int(len(data) * 0.9)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_truncated_is_called_so(kind):
    data = saved(picture(), kind)
    with pytest.raises(BadImage, match=r"The image is truncated"):
        decode(data[: len(data) // 3])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"just some text, called photo.jpg", "Not an image, or a format that isn't taken"),
        (b"%PDF-1.7 and so on", "Not an image, or a format that isn't taken"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Not an image, or a format"),
        (b"\xff\xd8\xff", "image"),
        (b"\x89PNG\r\n\x1a\n", "image"),
    ],
)
def test_what_is_no_picture(data, sentence):
    with pytest.raises(BadImage) as caught:
        decode(data)
    assert sentence in caught.value.detail


@given(data=st.data(), kind=st.sampled_from(KINDS))
@settings(max_examples=200, deadline=None)
def test_damage_gives_a_picture_or_bad_image(data, kind):
    image = Image.linear_gradient("L").resize((16, 12)).convert("RGB")
    content = bytearray(saved(image, kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadImage):
        assert decode(bytes(content), max_pixels=1_000_000).mode == "RGB"
