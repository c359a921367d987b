"""Facts of files: dates, zones, cameras, places, from EXIF and XMP; damaged ones cost nothing."""

import io
import struct

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from shared.media.facts import facts_of
from shared.media.taken import iso, wall, wall_microseconds
from tests.shared.photos import GPS, Base, gps, photo, sixty, xmp


def known(photo_facts):
    return {name: value for name, value in photo_facts.items() if value is not None}


@pytest.mark.parametrize("one", sixty(), ids=lambda one: str(one.seed))
def test_each_fact_of_sixty_photos_is_right(one):
    found = facts_of(one.bytes())
    wanted = known(one.facts)
    for name in ("latitude", "longitude"):
        assert found.pop(name, None) == pytest.approx(wanted.pop(name, None), abs=1e-6)
    assert found == wanted


@pytest.mark.parametrize(
    ("written", "offset", "at"),
    [
        ("2019:07:14 18:22:05", "+02:00", "2019-07-14T18:22:05+02:00"),
        ("2019:07:14 18:22:05\0", None, "2019-07-14T18:22:05"),
        ("2019-07-14T18:22:05.120-0330", None, "2019-07-14T18:22:05.12-03:30"),
        ("2019-07-14T18:22Z", "+02:00", "2019-07-14T18:22:00+00:00"),
        ("2019:07:14", None, "2019-07-14T00:00:00"),
        ("1965", None, "1965-01-01T00:00:00"),
        ("1965-08", None, "1965-08-01T00:00:00"),
        ("2019: 7:14  8:22:05", None, "2019-07-14T08:22:05"),
        ("1839:08:19 12:00:00", None, "1839-08-19T12:00:00"),
        ("2019:07:14 18:22:05", "+99:00", "2019-07-14T18:22:05"),
        ("2019:07:14 18:22:05", "east", "2019-07-14T18:22:05"),
        ("0000:00:00 00:00:00", None, None),
        ("2019:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("2019:06:31 12:00:00", None, None),
        ("2019:06:30 24:00:00", None, None),
        ("2019:06:30 12:60:00", None, None),
        ("yesterday", None, None),
        ("", None, None),
        (None, None, None),
        (7, None, None),
    ],
)
def test_a_time_is_read_as_it_is_meant(written, offset, at):
    assert iso(written, offset) == at


def test_times_compare_as_their_clocks_showed_them():
    times = ["1902-01-01T00:00:00", "1969-12-31T23:59:59.5+14:00", "1970-01-01T00:00:00-11:00"]
    assert sorted(times, key=wall_microseconds) == times
    assert wall_microseconds(times[2]) == 0
    assert [wall(at) for at in times][1:] == ["1969-12-31T23:59:59.5", "1970-01-01T00:00:00"]


def test_a_fraction_of_a_second_orders_a_burst():
    tags = {Base.DateTimeOriginal: "2019:07:14 18:22:05", Base.SubsecTimeOriginal: "340"}
    assert facts_of(photo(1, exif=tags))["taken_at"] == "2019-07-14T18:22:05.34"


def test_the_time_of_the_shutter_stands_before_the_others():
    tags = {Base.DateTime: "2021:01:01 00:00:00"}
    assert facts_of(photo(1, tags=tags))["taken_at"] == "2021-01-01T00:00:00"
    digitized = {Base.DateTimeDigitized: "2020:01:01 00:00:00"}
    assert facts_of(photo(1, tags=tags, exif=digitized))["taken_at"] == "2020-01-01T00:00:00"
    within = xmp({"photoshop:DateCreated": "1955-06-07"})
    found = facts_of(photo(1, tags=tags, exif=digitized, xmp=within))
    assert found["taken_at"] == "1955-06-07T00:00:00"
    unset = digitized | {Base.DateTimeOriginal: "0000:00:00 00:00:00"}
    assert facts_of(photo(1, exif=unset))["taken_at"] == "2020-01-01T00:00:00"


SIDECAR = xmp(
    {"exif:DateTimeOriginal": "1987-05-06T07:08:09+01:00", "exif:GPSLatitude": "48,51.504N"},
    "<exif:GPSLongitude>2,17,40.2E</exif:GPSLongitude><tiff:Model>Leica M6</tiff:Model>"
    "<aux:Lens>Summicron</aux:Lens>",
)


@pytest.mark.parametrize("is_sidecar", [True, False])
def test_xmp_tells_what_exif_does_not(is_sidecar):
    data = photo(1, xmp=None if is_sidecar else SIDECAR)
    found = facts_of(data, SIDECAR if is_sidecar else None)
    assert found == {
        "width": 48,
        "height": 36,
        "format": "JPEG",
        "taken_at": "1987-05-06T07:08:09+01:00",
        "camera": "Leica M6",
        "lens": "Summicron",
        "latitude": pytest.approx(48.8584),
        "longitude": pytest.approx(2.2945),
        "city": "Paris",
        "country": "France",
    }


def test_a_sidecar_stands_before_what_the_camera_wrote():
    data = photo(
        1,
        tags={Base.Make: "Canon", Base.Model: "X"},
        exif={Base.DateTimeOriginal: "2001:01:01 00:00:00"},
        place=gps(1, 1),
    )
    found = facts_of(data, SIDECAR)
    assert (found["taken_at"], found["camera"]) == ("1987-05-06T07:08:09+01:00", "Leica M6")
    assert found["latitude"] == pytest.approx(48.8584)
    assert facts_of(data, xmp({}))["camera"] == "Canon X"


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'
)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0" * 100,
        b"<x",
        b"\xff\xfe\x00",
        BOMB,
        SIDECAR[:-60],
        SIDECAR + bytes(2**20),
        b"<x>" * 50_000,
        xmp({"exif:DateTimeOriginal": "then", "exif:GPSLatitude": "north"}),
        xmp({"exif:GPSLatitude": "91,0N", "exif:GPSLongitude": "0,0E"}),
    ],
)
def test_xmp_that_is_damaged_or_hostile_tells_nothing_and_costs_nothing(packet):
    plain = {"width": 48, "height": 36, "format": "JPEG"}
    assert facts_of(photo(1), packet) == plain


@pytest.mark.parametrize(
    "place",
    [
        gps(0, 0),
        {GPS.GPSLatitude: (48.0, 51.0, 30.0)},
        {**gps(1, 1), GPS.GPSLatitudeRef: "?"},
        {**gps(1, 1), GPS.GPSLatitude: (IFDRational(1, 0), IFDRational(0), IFDRational(0))},
        {**gps(1, 1), GPS.GPSLatitude: (100.0, 0.0, 0.0)},
    ],
)
def test_a_place_that_is_none_is_left_out(place):
    assert "latitude" not in facts_of(photo(1, place=place))


# Pillow tells of damaged tags by warnings.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_costs_no_more_than_itself():
    whole = sixty()[0].bytes()
    start = whole.index(b"Exif\0\0")
    length = struct.unpack(">H", whole[start - 2 : start])[0]
    read = 0
    for at in range(start + 6, start + length - 2):
        for value in (0x00, 0xFF):
            data = bytearray(whole)
            data[at] = value
            found = facts_of(bytes(data))
            # A header that announces more than any camera's is no picture's at all.
            assert not found or (found["width"], found["format"]) == (48, "JPEG")
            read += bool(found)
    assert read > 1.8 * length


def test_width_and_height_are_as_the_picture_is_shown():
    data = photo(1, tags={Base.Orientation: 6})
    assert (facts_of(data)["width"], facts_of(data)["height"]) == (36, 48)


def test_texts_of_cameras_are_cleaned_and_bounded():
    tags = {Base.Make: "ACME\0\0junk", Base.Model: " Zoom\n\tX " + "y" * 9999}
    camera = facts_of(photo(1, tags=tags))["camera"]
    assert camera.startswith("ACME Zoom X yyy")
    assert len(camera) == 200


def test_what_is_no_picture_has_no_facts():
    assert facts_of(b"text") == facts_of(b"") == {}
    out = io.BytesIO()
    Image.new("L", (3, 5)).save(out, "PNG")
    assert facts_of(out.getvalue()) == {"width": 3, "height": 5, "format": "PNG"}
