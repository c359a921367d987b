"""What is small as a file and large in memory or time is refused before a pixel is decoded."""

import tracemalloc
from contextlib import suppress

import pytest
from PIL import Image, ImageFile

from shared.core.errors import BadImage
from shared.media import image_headers
from shared.media.exif import LEFT_OUT
from shared.media.facts import facts_of
from shared.media.images import decode, read
from tests import bombs

OFF_THE_LIST = ["ICO", "PPM", "TGA", "PCX", "SGI", "ICNS", "PDF", "EPS", "DDS", "JPEG2000"]


@pytest.fixture
def never_loaded(monkeypatch):
    """Fails a test in which pixels are decoded."""

    def load(self, *_):
        raise AssertionError(f"{type(self).__name__} decodes pixels")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.parametrize("name", bombs.SIZES | bombs.HEADERS)
def test_a_bomb_is_refused_by_its_header_in_little_memory(name, never_loaded):
    data = (bombs.SIZES | bombs.HEADERS)[name]()
    tracemalloc.start()
    try:
        with pytest.raises(BadImage) as refused:
            decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.detail.endswith(".")
    assert peak < 2 * bombs.MIB


@pytest.mark.parametrize("name", bombs.HARMLESS)
def test_what_unpacks_to_much_takes_little_memory(name):
    data = bombs.HARMLESS[name]()
    tracemalloc.start()
    try:
        with suppress(BadImage):
            assert decode(data).mode == "RGB"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data) + 24 * bombs.MIB


@pytest.mark.filterwarnings("ignore:Tag data larger than file")
@pytest.mark.parametrize("name", bombs.ABSURD_EXIF)
def test_exif_that_no_camera_writes_costs_the_facts_and_never_the_picture(name):
    data = bombs.ABSURD_EXIF[name]()
    tracemalloc.start()
    try:
        picture = read(data)
        facts = facts_of(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert picture.image.mode == "RGB"
    assert "Exif" in " ".join(picture.notes)
    assert facts.keys() == {"width", "height", "format"}
    assert peak < 3 * len(data) + 8 * bombs.MIB


def test_a_picture_stays_upright_though_its_exif_is_too_large_to_read():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = bombs.saved("JPEG", exif=exif)
    filling = bombs.jpeg_segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 40
    at = data.index(b"\xff\xdb")
    picture = read(data[:at] + filling + data[at:])
    assert picture.image.size == (48, 64)
    assert picture.notes == (LEFT_OUT,)


@pytest.mark.parametrize("kind", OFF_THE_LIST)
@pytest.mark.parametrize("head", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"], ids=["", "J", "P"])
def test_a_format_off_the_list_is_refused_whatever_it_begins_with(kind, head):
    with pytest.raises(BadImage):
        decode(head + bombs.saved(kind))


def test_a_header_as_cameras_write_it_passes():
    many = b"".join(bombs.jpeg_segment(0xE2, bytes(60_000)) for _ in range(200))
    filled = b"\xff" * 20_000
    jpeg = bombs.saved("JPEG", exif=Image.Exif(), comment=b"x" * 60_000)
    png = bombs.saved("PNG")
    chunks = bombs.png_chunk(b"tEXt", b"k\0v") * 1000
    at = png.index(b"IDAT") - 4
    for data in (jpeg[:2] + filled + many + jpeg[2:], png[:at] + chunks + png[at:]):
        assert decode(data).size == (64, 48)


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_many_strips_passes_be_it_big_or_not(big):
    image = Image.linear_gradient("L").resize((7, 5000))
    data = bombs.saved("TIFF", image=image, tiffinfo={278: 1}, big_tiff=big)
    assert decode(data).size == (7, 5000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_a_header_cut_anywhere_is_left_to_the_plugin(kind):
    data = bombs.saved(kind)
    for length in range(0, min(len(data), 700)):
        image_headers.check(kind, data[:length])


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_is_read_alone(order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = 6
    assert image_headers.orientation(exif.tobytes()) == 6
    assert image_headers.orientation(b"Exif\0\0II*\0\xff\xff\xff\xff") == 0
    assert image_headers.orientation(b"") == 0
