"""Pictures of a Takeout, and of folders with XMP files, come with what is said beside them."""

import io
import json
import zipfile

import pytest
from PIL import Image

from shared.cli.main import main
from shared.clients import indexer
from shared.core.errors import InvalidInput
from shared.importing.takeout import Takeout, sidecars_of
from shared.importing.xmp_folder import XmpFolder

PLACE = {"latitude": 48.8584, "longitude": 2.2945, "altitude": 0.0}
NOWHERE = {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0}


def told(name, **said):
    told = {"title": name, "photoTakenTime": {"timestamp": "1563128525"}, "geoData": NOWHERE}
    return json.dumps({**told, **said}).encode()


def archive(path, files):
    with zipfile.ZipFile(path, "w") as found:
        for name, data in files.items():
            found.writestr(name, data)
    return path


def dated(day):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = day
    Image.new("RGB", (40, 30), "green").save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("picture", "sidecar"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1(2).jpg", "IMG_1.jpg(2).json"),
        ("IMG_1(2).jpg", "IMG_1.jpg.supplemental-metadata(2).json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        (
            "PXL_20240102_030405678.PORTRAIT.jpg",
            "PXL_20240102_030405678.PORTRAIT.jpg.supplement.json",
        ),
        (f"{'n' * 60}.jpg", f"{'n' * 46}.json"),
    ],
)
def test_the_json_of_a_picture_is_found_by_its_name(picture, sidecar) -> None:
    assert f"Takeout/{sidecar}" in sidecars_of(f"Takeout/{picture}")


def test_a_takeout_brings_albums_people_dates_and_places(
    import_all, image, picture, tmp_path
) -> None:
    a, b, trashed, own = picture(1), picture(2), picture(3), dated("2001:02:03 04:05:06")
    people = [{"name": "Ada"}]
    year, album = "Takeout/Google Photos/Photos from 2019", "Takeout/Google Photos/Holiday"
    first = archive(
        tmp_path / "takeout-001.zip",
        {
            f"{year}/a.png": a,
            f"{year}/b.png": b,
            f"{year}/old.jpg": own,
            f"{year}/old.jpg.json": told("old.jpg"),
            f"{year}/gone.png": trashed,
            f"{year}/gone.png.json": told("gone.png", trashed=True),
        },
    )
    second = archive(
        tmp_path / "takeout-002.zip",
        {
            f"{year}/a.png.supplemental-metadata.json": told(
                "a.png", favorited=True, description="Tower", people=people, geoData=PLACE
            ),
            f"{album}/metadata.json": json.dumps({"title": "Holiday 2019"}).encode(),
            f"{album}/a.png": a,
            f"{album}/broken.png.json": b"{",
        },
    )
    _, outcome = import_all(Takeout([first, second]))
    assert (outcome.added, outcome.existed, outcome.failed) == (3, 1, [])
    found = image(a)
    assert set(found.tags) == {"Holiday 2019", "Ada", "favourite"}
    assert found.metadata["description"] == "Tower"
    assert found.file.taken_at.startswith("2019-07-14T18:22:05")
    assert found.file.city == "Paris"
    assert image(b).tags == []
    # A picture's own local time is better than Takeout's without a zone.
    assert image(own).file.taken_at == "2001-02-03T04:05:06"


def test_a_damaged_member_of_an_archive_fails_alone(import_all, picture, tmp_path) -> None:
    whole = archive(tmp_path / "whole.zip", {"a.png": picture(1), "b.png": b"b" * 1000})
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as found:
        for number, kind in enumerate((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)):
            found.writestr(f"{number}.png", picture(2 + number), kind)
    data = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as found:
        for member in found.infolist():
            begin = member.header_offset + 30 + len(member.filename)
            data[begin : begin + member.compress_size] = b"\xff" * member.compress_size
    packed.write_bytes(data)
    _, outcome = import_all(Takeout([whole, packed]))
    assert outcome.added == 1
    assert len(outcome.failed) == 4


def test_a_damaged_archive_is_told(tmp_path) -> None:
    whole = archive(tmp_path / "t.zip", {"a.png": b"a", "b.png": b"b"}).read_bytes()
    at = whole.index(b"PK\x01\x02")
    (tmp_path / "t.zip").write_bytes(whole[: at + 4] + b"\xff" * 40 + whole[at + 44 :])
    with pytest.raises(InvalidInput, match=r"t\.zip can't be read"):
        list(Takeout([tmp_path / "t.zip"]).assets())


def test_raw_files_are_imported_and_videos_are_not(tmp_path) -> None:
    names = ("a.NEF", "b.dng", "c.jxl", "d.mp4", "e.jpg")
    export = archive(tmp_path / "t.zip", dict.fromkeys(names, b""))
    assert [one.name for one in Takeout([export]).assets()] == ["a.NEF", "b.dng", "c.jxl", "e.jpg"]


def test_keywords_of_xmp_files_become_tags(import_all, image, picture, tmp_path) -> None:
    packet = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
     <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
      <rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="5"
        xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
        exif:DateTimeOriginal="1965-04-03T02:01:00">
       <dc:subject><rdf:Bag><rdf:li>castle</rdf:li><rdf:li>Ros\u00e9</rdf:li></rdf:Bag></dc:subject>
       <dc:description><rdf:Alt><rdf:li>Old walls</rdf:li></rdf:Alt></dc:description>
      </rdf:Description>
     </rdf:RDF></x:xmpmeta>"""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture(1))
    (folder / "a.xmp").write_text(packet, encoding="utf-8")
    (folder / "b.png").write_bytes(picture(2))
    _, outcome = import_all(XmpFolder([folder]))
    assert outcome.added == 1
    found = image(picture(1))
    assert set(found.tags) == {"castle", "Ros\u00e9", "favourite"}
    assert found.metadata == {"imported_from": "xmp", "description": "Old walls"}
    assert found.file.taken_at == "1965-04-03T02:01:00"


def test_the_command_shows_a_plan_first_and_imports_once(
    service, picture, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("ISE_INDEXER_URL", service.url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    export = archive(
        tmp_path / "t.zip", {"Album/a.png": picture(1), "Album/meta.json": b'{"title": "Trip"}'}
    )

    def run(*options):
        capsys.readouterr()
        code = main(["import-from", "takeout", str(export), *options])
        return code, *capsys.readouterr()

    code, out, err = run("--dry-run")
    assert (code, out) == (0, "")
    assert "1 new pictures" in err
    assert "Trip (1)" in err
    assert service.client.send(indexer.get_stats()).images == 0
    assert "1 added" in run()[2]
    code, out, err = run()
    assert "1 imported before" in err
    assert "0 added" in err
    code, out, err = run("--json")
    assert json.loads(out)["done"] == 1
