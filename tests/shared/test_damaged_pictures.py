"""Pictures that others show are shown: odd texts, wrong checksums, files that end early."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from shared.core.errors import BadImage
from shared.media.images import decode, read
from tests import bombs
from tests.shared.test_picture_kinds import EIGHT, photo, saved


def png_with(chunks, behind=b""):
    whole = saved(Image.fromarray(photo()), "PNG")
    at = whole.index(b"IDAT") - 4
    end = whole.index(b"IEND") - 4
    return whole[:at] + chunks + whole[at:end] + behind + whole[end:]


def wrong(chunk):
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


TEXT = bombs.png_chunk(b"tEXt", b"Comment\0a text")
PACKED = bombs.png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a text" * 1000))


@pytest.mark.parametrize(
    "data",
    [
        png_with(wrong(TEXT)),
        png_with(b"", wrong(TEXT)),
        png_with(wrong(PACKED)),
        png_with(PACKED * 20),
        png_with(b"", PACKED * 20),
        png_with(bombs.png_chunk(b"zTXt", b"Comment\0\0not packed")),
        png_with(bombs.png_chunk(b"iTXt", b"Comment\0\1\0\0\0not packed")),
        png_with(bombs.png_chunk(b"pHYs", b"short")),
        png_with(wrong(bombs.png_chunk(b"eXIf", b"II*\0"))),
        png_with(b"") + b"garbage" * 100,
    ],
)
def test_a_png_is_shown_whatever_its_texts_are(data):
    picture = read(data)
    assert np.array_equal(np.asarray(picture.image), photo())
    assert picture.notes == ()


def test_orientation_outlives_twenty_texts():
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = saved(Image.fromarray(photo()), "PNG", exif=exif)
    at = whole.index(b"IDAT") - 4
    assert decode(whole[:at] + PACKED * 20 + whole[at:]).size == (60, 80)


def test_garbage_behind_a_picture_costs_nothing():
    for kind in ("JPEG", "GIF", "BMP", "TIFF"):
        data = saved(Image.fromarray(photo()), kind) + b"\0garbage" * 500
        assert read(data).notes == ()
        assert decode(data).size == (80, 60)


LARGE = np.repeat(np.repeat(photo(), 4, axis=0), 4, axis=1)


def test_a_jpeg_without_its_end_mark_is_read_whole_with_a_note():
    for options in ({}, {"progressive": True}):
        data = saved(Image.fromarray(LARGE), "JPEG", quality=90, **options)
        picture = read(data[:-2])
        assert "The file ends early" in picture.notes[0]
        assert np.abs(np.asarray(picture.image).astype(int) - np.asarray(decode(data))).mean() < 0.1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_most_of_a_picture_is_taken_with_the_share_that_was_read(kind):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), kind)
    picture = read(data[: int(len(data) * 0.9)])
    assert picture.image.size == (320, 240)
    [note] = picture.notes
    share = int(note.removeprefix("The file ends early; ").split(" ")[0])
    assert 85 <= share <= 91
    found, whole = np.asarray(picture.image).astype(int), np.asarray(decode(data))
    if kind == "BMP":  # its lines go upwards
        found, whole = np.flipud(found), np.flipud(whole)
    assert np.abs(found[:180] - whole[:180]).max() == 0
    assert found[-4:].std() == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_less_than_half_of_a_picture_is_refused_and_says_so(kind):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), kind)
    with pytest.raises(BadImage, match=r"The image is truncated: only [0-9]+ % of it can be read"):
        decode(data[: int(len(data) * 0.3)])


def test_a_progressive_jpeg_that_ends_early_is_taken_when_most_scans_are_there():
    data = saved(Image.fromarray(LARGE), "JPEG", quality=95, progressive=True)
    picture = read(data[: int(len(data) * 0.9)])
    assert "The file ends early" in picture.notes[0]
    assert np.abs(np.asarray(picture.image).astype(int) - np.asarray(decode(data))).mean() < 8
    with pytest.raises(BadImage, match="The image is truncated: only"):
        decode(data[: int(len(data) * 0.1)])


def test_an_interlaced_png_that_lacks_the_end_of_its_last_pass_shows_no_stripes():
    # Pillow writes none, so one is made: Adam7's passes, each line without a filter.
    grey = EIGHT
    height, width = grey.shape
    raw = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for line in grey[y::dy, x::dx]:
            raw += b"\0" + line.tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    pixels = bombs.png_chunk(b"IDAT", zlib.compress(raw, 0))
    start = b"\x89PNG\r\n\x1a\n" + bombs.png_chunk(b"IHDR", head)
    whole = start + pixels + bombs.png_chunk(b"IEND")
    assert np.array_equal(np.asarray(decode(whole))[..., 0], grey)
    picture = read(start + pixels[: int(len(pixels) * 0.8)])
    assert np.abs(np.asarray(picture.image)[..., 0].astype(int) - grey).mean() < 12
    assert "The file ends early" in picture.notes[0]
