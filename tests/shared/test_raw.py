"""RAW files: told by content, shown by the camera's preview or developed, upright, with facts."""

import sys

import pytest

from shared.core.errors import BadImage
from shared.media import images, raw
from shared.media.facts import facts_of
from shared.media.limited.scaler import Scaler
from tests.shared.raw_files import MADE, TAKEN, corners, dng, scene

LARGE = scene(1200, 800)
TURNED = {1: "rgb-", 3: "-bgr", 6: "br-g", 8: "g-rb"}
"""Orientation -> the colours of the quarters of an upright `scene`."""


def made(kind, orientation=1):
    return (
        dng(preview=LARGE, orientation=orientation)
        if kind == "DNG"
        else MADE[kind](LARGE, orientation)
    )


@pytest.mark.parametrize("kind", ["DNG", *MADE])
def test_a_raw_file_is_told_by_its_content_and_has_facts(kind):
    data = made(kind)
    assert images.opened(data)[0] == kind
    assert images.media_type(data).startswith("image/x-")
    facts = facts_of(data)
    assert (facts["format"], facts["width"], facts["height"]) == (kind, 96, 64)
    assert facts["taken_at"] == TAKEN.replace(":", "-", 2).replace(" ", "T")
    assert facts["camera"]


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["DNG", *MADE])
def test_the_preview_of_the_camera_is_shown_upright(kind, orientation):
    image = images.decode(made(kind, orientation))
    assert max(image.size) == 1200
    assert corners(image) == TURNED[orientation]
    width, height = images.size(made(kind, orientation))
    assert (width > height) == (image.width > image.height)


@pytest.mark.parametrize("orientation", TURNED)
def test_without_a_large_preview_the_sensors_values_are_developed(orientation):
    for preview in (None, scene(24, 16)):
        found = images.read(dng(preview=preview, orientation=orientation))
        assert max(found.image.size) == 96
        assert corners(found.image) == TURNED[orientation]
        assert not found.notes


def test_a_preview_that_is_upright_already_is_not_turned_again():
    upright = LARGE.transpose(images._TRANSPOSE[6])
    assert corners(images.decode(dng(preview=upright, orientation=6))) == "br-g"
    exif = images.Image.Exif()
    exif[0x0112] = 6
    assert corners(images.decode(dng(preview=LARGE, orientation=6, exif=exif))) == "br-g"


@pytest.mark.parametrize("kind", ["CR2", "CR3", "RAF"])
def test_the_preview_of_a_raw_file_that_cannot_be_developed_is_shown_with_a_note(kind):
    [note] = images.read(made(kind)).notes
    assert "Only the preview" in note


@pytest.mark.parametrize("kind", ["DNG", *MADE])
def test_without_the_extra_a_file_is_refused_with_the_way_out(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(BadImage) as refused:
        images.read(made(kind))
    assert refused.value.detail.startswith(f"{kind} files need pip install")
    assert "image-search-engine[raw]" in refused.value.detail
    # Its head needs no extra.
    assert facts_of(made(kind))["format"] == kind


def test_pixels_are_counted_before_they_are_developed():
    with pytest.raises(BadImage, match="over the limit"):
        images.read(dng(), max_pixels=1000)
    with pytest.raises(BadImage, match="over the limit"):
        # The preview has more than the sensor.
        images.read(dng(preview=LARGE), max_pixels=96 * 64)


@pytest.mark.parametrize("kind", ["DNG", *MADE])
def test_a_damaged_head_never_raises_anything_else(kind):
    whole = made(kind)
    for step in range(0, 700, 29):
        broken = bytearray(whole)
        broken[step] ^= 0xFF
        for data in (bytes(broken), whole[:step]):
            raw.kind_of(data)
            facts_of(data)
            try:
                images.opened(data)
            except BadImage:
                continue


def test_thumbnails_are_made_in_a_limited_process():
    scaler = Scaler(count=1)
    try:
        for data in (dng(), made("NEF", 6), made("CR3")):
            thumbnail = images.decode(scaler.thumbnail(data, 90, 10**8))
            assert max(thumbnail.size) == 90
        with pytest.raises(BadImage):
            scaler.thumbnail(dng()[:400], 90, 10**8)
    finally:
        scaler.close()
