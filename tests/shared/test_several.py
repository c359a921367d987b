"""Files of several pictures, which are compared by the first one only."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from shared.media.several import has_several

_FRAMES = [Image.fromarray(np.full((24, 32, 3), shade, np.uint8)) for shade in (20, 200, 90)]


def saved(form: str, frames: int, **options: object) -> bytes:
    out = io.BytesIO()
    first, *others = _FRAMES[:frames]
    more = {"save_all": True, "append_images": others} if others else {}
    first.save(out, form, **more, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_a_file_of_two_pictures_has_several_and_of_one_has_not(form):
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    try:
        one = saved(form, 1)
    except (KeyError, OSError) as error:
        pytest.skip(f"{form} can't be written here: {error}")
    assert not has_several(one)
    assert has_several(saved(form, 2))
    assert has_several(saved(form, 3))
    # What can't be read ends the search.
    assert not has_several(one[: len(one) // 2])


@pytest.mark.parametrize("big", [False, True])
def test_smaller_copies_and_masks_are_no_pages(big):
    pages = saved("TIFF", 3, big_tiff=big)
    assert has_several(pages)
    for kind in (1, 4, 5):
        out = io.BytesIO()
        copies = [frame.copy() for frame in _FRAMES[1:]]
        for copy in copies:
            copy.encoderinfo = {"tiffinfo": {254: kind}}
        _FRAMES[0].save(out, "TIFF", save_all=True, append_images=copies, big_tiff=big)
        assert not has_several(out.getvalue())


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_a_png_whose_only_frame_is_another_picture_has_several():
    plain = saved("PNG", 1)
    head, rest = plain[:33], plain[33:]
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 32, 24, 0, 0, 1, 2, 0, 0))
    one = chunk(b"acTL", struct.pack(">II", 1, 0))
    assert has_several(head + one + rest)
    assert not has_several(head + one + control + rest)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'GCamera:MotionPhoto="1"', b""),
        (b"<GCamera:MicroVideo>1</GCamera:MicroVideo>", b""),
        (b"", b"MotionPhoto_Data\0\0\0\x18ftypmp42" + bytes(2**20)),
    ],
)
def test_a_photo_that_a_video_follows_has_several(before, after):
    photo = saved("JPEG", 1)
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + before
    block = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    assert not has_several(photo)
    assert has_several(photo[:2] + block + photo[2:] + after)
    assert not has_several(photo[:2] + block.replace(b"1", b"0") + photo[2:])


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_damaged_heads_end_the_search(form):
    whole = saved(form, 2)
    rng = np.random.default_rng(0)
    for _ in range(200):
        hurt = bytearray(whole)
        for at in rng.integers(4, len(hurt), 3).tolist():
            hurt[at] = int(rng.integers(0, 256))
        assert has_several(bytes(hurt)) in (True, False)


def test_a_tiff_whose_pages_are_a_ring_ends():
    ring = bytearray(saved("TIFF", 1, compression="raw"))
    (first,) = struct.unpack_from("<I", ring, 4)
    (count,) = struct.unpack_from("<H", ring, first)
    struct.pack_into("<I", ring, first + 2 + 12 * count, first)
    assert has_several(bytes(ring))


@pytest.mark.parametrize(
    "after", [struct.pack(">I4s", 16, b"mpvd") + bytes(8), b'GCamera:MotionPhoto="1"']
)
def test_a_heif_that_a_video_follows_has_several(after):
    pytest.importorskip("pillow_heif").register_heif_opener()
    assert has_several(saved("HEIF", 1) + after)


def test_a_jpeg_of_several_views_has_several_and_one_with_a_map_of_its_light_has_not():
    views = saved("MPO", 2)
    assert has_several(views)
    assert not has_several(views + b"hdrgm:Version")
    assert not has_several(saved("MPO", 1))
