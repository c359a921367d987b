"""Pictures with a colour profile show the same colours as their sRGB counterpart."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from shared.media.images import decode, read
from tests import bombs
from tests.shared.profiles import profile
from tests.shared.test_damaged_pictures import png_with
from tests.shared.test_picture_kinds import photo, saved

SPACES = ["display-p3", "adobe-rgb", "prophoto"]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def converted(space):
    """The photo's colours as numbers of another space, and the bytes of its profile."""
    other = ImageCms.ImageCmsProfile(io.BytesIO(profile(space)))
    image = ImageCms.profileToProfile(Image.fromarray(photo()), SRGB, other)
    image.info.clear()
    return image, profile(space)


def error(data):
    return np.abs(np.asarray(decode(data)).astype(int) - photo()).mean()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("kind", "options", "most"),
    [
        ("PNG", {}, 1),
        ("TIFF", {}, 1),
        ("JPEG", {"quality": 98, "subsampling": 0}, 2),
        ("WEBP", {"lossless": True}, 1),
        ("AVIF", {"quality": 98, "subsampling": "4:4:4"}, 2),
    ],
)
def test_the_colours_of_a_wide_space_are_brought_to_srgb(space, kind, options, most):
    image, icc = converted(space)
    data = saved(image, kind, icc_profile=icc, **options)
    assert error(saved(image, "PNG")) > 2, "the profile makes no difference"
    assert error(data) < most
    assert read(data).notes == ()


def test_an_srgb_profile_leaves_every_pixel_as_it_is():
    data = saved(Image.fromarray(photo()), "PNG", icc_profile=SRGB.tobytes())
    assert np.array_equal(np.asarray(decode(data)), photo())
    grey = Image.fromarray(photo()[..., 0])
    data = saved(grey, "PNG", icc_profile=SRGB.tobytes())
    assert np.array_equal(np.asarray(decode(data))[..., 0], photo()[..., 0])
    assert read(data).notes == ()


def test_alpha_and_palettes_are_converted_too():
    image, icc = converted("prophoto")
    image.putalpha(255)
    image.putpixel((0, 0), (0, 0, 0, 0))
    data = saved(image, "PNG", icc_profile=icc)
    assert error(data) < 2
    assert decode(data).getpixel((0, 0)) == (255, 255, 255)
    palette = image.convert("RGB").quantize(256)
    assert error(saved(palette, "PNG", icc_profile=icc)) < error(saved(palette, "PNG")) / 2


def test_a_grey_profile_is_applied():
    linear = profile("linear-grey")
    light = (photo()[..., 0] / 255.0) ** 2.2
    data = saved(Image.fromarray(np.rint(255 * light).astype(np.uint8)), "PNG", icc_profile=linear)
    found = np.asarray(decode(data))[..., 1].astype(int)
    assert np.abs(found - photo()[..., 0]).mean() < 5


@pytest.mark.parametrize(
    ("icc", "note"),
    [
        (b"not a profile", "damaged"),
        (SRGB.tobytes()[:200], "damaged"),
        (b"\0" * 5_000_000, "unusually large"),
        (profile("linear-grey"), "another kind of colours"),
    ],
)
def test_a_profile_that_cannot_be_used_is_ignored_with_a_note(icc, note):
    data = saved(Image.fromarray(photo()), "TIFF", icc_profile=icc)
    picture = read(data)
    assert np.array_equal(np.asarray(picture.image), photo())
    assert len(picture.notes) == 1
    assert note in picture.notes[0]


def test_a_cmyk_picture_with_a_profile_of_rgb_is_shown_without_it():
    data = saved(Image.fromarray(photo()).convert("CMYK"), "TIFF", icc_profile=SRGB.tobytes())
    picture = read(data)
    assert np.abs(np.asarray(picture.image).astype(int) - photo()).mean() < 3
    assert "another kind of colours" in picture.notes[0]


def test_a_profile_of_128_mib_in_a_png_costs_the_profile_alone():
    unpacker = zlib.compressobj(9)
    packed = b"".join(unpacker.compress(bytes(2**20)) for _ in range(128)) + unpacker.flush()
    data = png_with(bombs.png_chunk(b"iCCP", b"icc\0\0" + packed))
    assert np.array_equal(np.asarray(decode(data)), photo())


def test_the_gamma_that_a_png_names_is_honoured():
    light = (photo() / 255.0) ** 2.2
    whole = saved(Image.fromarray(np.rint(255 * light).astype(np.uint8)), "PNG")
    at = whole.index(b"IDAT") - 4
    gamma = bombs.png_chunk(b"gAMA", struct.pack(">I", 100_000))
    assert error(whole[:at] + gamma + whole[at:]) < 5
    usual = bombs.png_chunk(b"gAMA", struct.pack(">I", 45_455))
    assert np.array_equal(np.asarray(decode(png_with(usual))), photo())
