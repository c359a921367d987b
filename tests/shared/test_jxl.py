"""JPEG XL: told by content, its head read without a library, its colours brought to sRGB."""

import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from shared.core.errors import BadImage
from shared.media import images
from shared.media.facts import facts_of
from shared.media.jxl_head import head_of
from tests.shared.photos import Photo
from tests.shared.raw_files import box, corners, jpeg, scene

CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
P3 = (1, 11, 13)


def jxl(image=None, values=None, **options):
    return bytes(
        imagecodecs.jpegxl_encode(
            np.asarray(image or scene()) if values is None else values,
            **{"lossless": True, **options},
        )
    )


def container(stream, *boxes):
    return CONTAINER + box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join(boxes) + box(b"jxlc", stream)


class Bits:
    """Writes bits, the lowest of each byte first."""

    def __init__(self):
        self.value = self.count = 0

    def put(self, value, count):
        self.value |= value << self.count
        self.count += count
        return self

    def bytes(self):
        return self.value.to_bytes(-(-self.count // 8), "little")


def with_head(stream, orientation=1, colours=None):
    """A lossless stream of 8-bit RGB with another head: a turn, and colours by their numbers."""
    end = len(head(96, 64))
    assert stream.startswith(head(96, 64))
    return head(96, 64, orientation, colours) + stream[end:]


def head(width, height, orientation=1, colours=None):
    bits = Bits()
    # Sides by multiples of 8, no ratio of both.
    bits.put(1, 1).put(height // 8 - 1, 5)
    ratio = 4 if (width, height) == (96, 64) else 0
    bits.put(ratio, 3)
    if not ratio:
        bits.put(width // 8 - 1, 5)
    bits.put(0, 1)
    if orientation == 1:
        bits.put(0, 1)
    else:
        bits.put(1, 1).put(orientation - 1, 3).put(0, 3)
    # 8 bits, small buffers, no extra channels, not XYB.
    bits.put(0, 1).put(0, 2).put(1, 1).put(0, 2).put(0, 1)
    if colours is None:
        bits.put(1, 1)
    else:
        white, primaries, transfer = colours
        bits.put(0, 1).put(0, 1).put(0, 2)
        for number in (white, primaries):
            enum(bits, number)
        bits.put(0, 1)
        enum(bits, transfer)
        enum(bits, 1)
    if orientation != 1:
        # Tones as usual.
        bits.put(1, 1)
    # No extensions, transforms as usual.
    bits.put(0, 2).put(1, 1)
    return b"\xff\x0a" + bits.bytes()


def enum(bits, number):
    if number < 2:
        bits.put(number, 2)
    elif number < 18:
        bits.put(2, 2).put(number - 2, 4)
    else:
        bits.put(3, 2).put(number - 18, 6)


@pytest.mark.parametrize("size", [(96, 64), (97, 61), (1, 1), (300, 300), (1000, 3)])
@pytest.mark.parametrize("options", [{}, {"lossless": False, "distance": 1.0}])
def test_the_size_is_read_without_a_library(size, options, monkeypatch):
    data = jxl(scene(*size) if min(size) > 1 else Image.new("RGB", size), **options)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert images.size(data) == size
    assert (facts_of(data)["format"], images.media_type(data)) == ("JXL", "image/jxl")
    with pytest.raises(BadImage, match=r"image-search-engine\[jxl\]"):
        images.read(data)
    with pytest.raises(BadImage, match="over the limit"):
        images.read(data, max_pixels=size[0] * size[1] - 1)


def test_pixels_come_out_as_they_went_in():
    rgb = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    np.testing.assert_array_equal(images.decode(jxl(values=rgb)), rgb)
    grey = np.asarray(images.decode(jxl(values=rgb[:, :, 0])))
    np.testing.assert_array_equal(grey, np.repeat(rgb[:, :, :1], 3, axis=2))
    lossy = images.decode(jxl(lossless=False, distance=1.0))
    assert np.abs(np.asarray(lossy, float) - np.asarray(scene(), float)).mean() < 4


def test_transparency_is_laid_on_white():
    rgba = np.dstack([np.asarray(scene()), np.zeros((64, 96), np.uint8)])
    assert images.decode(jxl(values=rgba)).getcolors() == [(64 * 96, (255, 255, 255))]


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_linear_light_becomes_srgb(kind):
    light = np.linspace(0, 1, 96 * 64, dtype=np.float32).reshape(64, 96, 1).repeat(3, axis=2)
    values = (light * 65535).astype(np.uint16) if kind == np.uint16 else light
    assert head_of(jxl(values=values)).colours.transfer == 8
    curved = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(np.asarray(images.decode(jxl(values=values)), float) - curved).max() < 2


def test_the_colours_of_p3_become_those_of_srgb():
    data = with_head(jxl(), colours=P3)
    assert head_of(data).colours.primaries == 11
    plain, wide = (np.asarray(images.decode(one), int) for one in (jxl(), data))
    # The same numbers are a stronger red in P3; grey is grey in both.
    assert wide[5, 5, 0] > plain[5, 5, 0] + 5
    assert np.abs(wide[-5, -5] - plain[-5, -5]).max() <= 1
    unknown = images.read(with_head(jxl(), colours=(1, 9, 16)))
    assert unknown.notes == ("Its colours are of a kind that is shown as sRGB.",)


@pytest.mark.parametrize(("orientation", "expected"), [(3, "-bgr"), (6, "br-g"), (8, "g-rb")])
def test_the_turn_of_the_codestream_is_applied_once(orientation, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = with_head(jxl(), orientation)
    # That of Exif doesn't count, by the standard.
    data = container(turned, box(b"Exif", bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0")))
    image = images.decode(data)
    assert corners(image) == expected
    assert images.size(data) == image.size


def test_a_jpeg_within_is_restored_with_its_facts():
    whole = jpeg(
        scene(), exif=Image.open(_file(Photo(1, taken="2020:02:03 04:05:06").bytes())).getexif()
    )
    data = bytes(imagecodecs.jpegxl_encode_jpeg(whole, usecontainer=True))
    assert head_of(data).is_jpeg
    np.testing.assert_array_equal(images.decode(data), images.decode(whole))


def test_the_exif_of_a_container_gives_facts():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Canon", "Canon EOS R5"
    data = container(jxl(), box(b"Exif", bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0")))
    assert facts_of(data)["camera"] == "Canon EOS R5"
    assert corners(images.decode(data)) == "rgb-"


def test_a_damaged_file_is_refused():
    data = container(jxl())
    for size in range(2, len(data), 9):
        with pytest.raises(BadImage):
            images.read(data[:size])
    for at in range(12, 90):
        broken = bytearray(data)
        broken[at] ^= 0x55
        facts_of(bytes(broken))


def _file(data):
    import io

    return io.BytesIO(data)
