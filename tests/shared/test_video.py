"""Videos: told by content, shown by a poster, their heads read without FFmpeg."""

import sys

import pytest
from PIL import Image

from shared.core.errors import BadImage
from shared.media import images, video_head
from shared.media.facts import facts_of
from shared.media.limited.scaler import Scaler
from tests.shared.raw_files import box, corners, scene
from tests.shared.video_files import KINDS, turned, video

PHONE = {
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone 15",
    "com.apple.quicktime.creationdate": "2023-04-05T06:07:08+0200",
    "com.apple.quicktime.location.ISO6709": "+48.8584+002.2945+035/",
    "creation_time": "2022-01-02T03:04:05Z",
}


@pytest.fixture(scope="module")
def made():
    return {kind: video(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_is_shown_by_a_poster_that_is_not_its_black_start(kind, made):
    data = made[kind]
    assert images.opened(data)[0] == kind
    assert images.media_type(data).startswith("video/")
    image = images.decode(data)
    assert (image.size, corners(image)) == ((192, 128), "rgb-")


@pytest.mark.parametrize("kind", KINDS)
def test_its_head_is_read_without_the_extra_and_its_frames_are_refused(kind, made, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    facts = facts_of(made[kind])
    assert (facts["width"], facts["height"], facts["format"]) == (192, 128, kind)
    assert facts["duration_s"] == pytest.approx(3, abs=0.1)
    with pytest.raises(BadImage, match=r"image-search-engine\[video\]"):
        images.read(made[kind])


@pytest.mark.parametrize("codec", ["hevc", "mpeg4"])
def test_other_codecs_of_a_container_are_shown(codec):
    assert corners(images.decode(video("MP4", codec, seconds=1))) == "rgb-"


@pytest.mark.parametrize("kind", ["MP4", "MOV"])
def test_what_a_phone_writes_becomes_facts(kind):
    facts = facts_of(video(kind, metadata=PHONE, seconds=1))
    assert facts["taken_at"] == "2023-04-05T06:07:08+02:00"
    assert (facts["camera"], facts["city"]) == ("Apple iPhone 15", "Paris")
    assert (facts["latitude"], facts["longitude"]) == (48.8584, 2.2945)


@pytest.mark.parametrize("kind", ["MP4", "MOV", "MKV", "WebM"])
def test_the_time_of_creation_counts_where_a_camera_tells_no_other(kind):
    data = video(kind, metadata={"creation_time": "2022-01-02T03:04:05Z"}, seconds=1)
    assert facts_of(data)["taken_at"] == "2022-01-02T03:04:05+00:00"


@pytest.mark.parametrize(("quarter", "expected"), [(1, "br-g"), (2, "-bgr"), (3, "g-rb")])
def test_the_turn_of_a_track_is_applied(quarter, expected, made):
    data = turned(made["MP4"], quarter)
    image = images.decode(data)
    assert corners(image) == expected
    assert images.size(data) == image.size


def test_a_black_video_is_shown_black():
    data = video(frames=[Image.new("RGB", (96, 64))] * 8)
    assert images.decode(data).convert("L").getextrema()[1] < 20


def test_pixels_are_counted_before_frames_are_decoded(made):
    for kind in KINDS:
        with pytest.raises(BadImage, match="over the limit"):
            images.read(made[kind], max_pixels=192 * 128 - 1)
    # The head may say less than the stream has.
    data = video(size=(320, 240), seconds=1)
    at = data.index(b"tkhd") + 4 + 76
    small = data[:at] + (32 << 16).to_bytes(4, "big") + (24 << 16).to_bytes(4, "big")
    with pytest.raises(BadImage, match="over the limit"):
        images.read(small + data[at + 8 :], max_pixels=10_000)


def test_frames_over_the_limit_are_refused_before_the_decoder_takes_memory_for_them(monkeypatch):
    def decoded(*_: object) -> None:
        raise AssertionError("a frame was decoded")

    monkeypatch.setattr("shared.media.video._next_frame", decoded)
    data = video(size=(320, 240), seconds=1)
    at = data.index(b"tkhd") + 4 + 76
    small = data[:at] + (32 << 16).to_bytes(4, "big") + (24 << 16).to_bytes(4, "big")
    with pytest.raises(BadImage, match="over the limit"):
        images.read(small + data[at + 8 :], max_pixels=10_000)


def test_a_length_that_no_clock_tells_costs_no_video():
    data = bytearray(video("AVI", frames=[Image.new("RGB", (192, 128))] * 16))
    at = data.index(b"avih") + 8
    data[at : at + 4] = data[at + 16 : at + 20] = b"\xff" * 4
    assert images.decode(bytes(data)).size == (192, 128)


def test_a_playlist_or_a_text_is_no_video():
    for data in (b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\n", b"ffconcat version 1.0\n"):
        with pytest.raises(BadImage, match="Not an image"):
            images.read(data)
        # Neither within a file that begins as an MP4.
        with pytest.raises(BadImage):
            images.read(box(b"ftyp", b"isom\0\0\0\0isom") + data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_video_is_refused_or_shown(kind, made):
    whole = made[kind]
    for size in (9, 40, 200, len(whole) // 2, len(whole) - 30):
        try:
            images.read(whole[:size])
        except BadImage:
            continue
    for at in range(0, len(whole), 61):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        facts_of(bytes(broken))
        if (found := video_head.kind_of(bytes(broken))) is not None:
            try:
                video_head.head_of(found, bytes(broken))
            except ValueError:
                continue


def test_posters_are_made_in_a_limited_process(made):
    scaler = Scaler(count=1)
    try:
        poster = images.decode(scaler.thumbnail(turned(made["MP4"], 1), 64, 10**8))
        assert (poster.size, corners(poster)) == ((43, 64), "br-g")
    finally:
        scaler.close()


def test_a_poster_is_the_richest_of_some_frames():
    flat = Image.new("RGB", (192, 128), (90, 90, 90))
    frames = [flat] * 16 + [scene(192, 128)] * 8 + [flat] * 16
    assert corners(images.decode(video(frames=frames))) == "rgb-"
