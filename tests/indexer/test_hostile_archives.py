"""Hostile and damaged archives: each bad member fails alone, and no fsspec is needed."""

import io
import struct
import subprocess
import sys
import tarfile
import zipfile

import pytest

from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import read_source
from shared.core.errors import InvalidInput, TooLarge
from tests.indexer.following import collection


def tar_of(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(*members: tuple[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packed) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def test_names_that_lead_out_of_an_archive_fail_alone(tmp_path):
    names = ["../out.png", "/etc/out.png", "a/../../out.png", "good.png", "./b/good.png"]
    for kind, data in (
        ("tar", tar_of(*((name, b"x") for name in names))),
        ("zip", zip_of(*((name, b"x") for name in names))),
    ):
        (tmp_path / f"p.{kind}").write_bytes(data)
        with collection(tmp_path / kind) as found:
            result = found.ingest(tmp_path / f"p.{kind}")
            assert (result["files"], result["failed"]) == (5, 3)
            assert all(
                "leads out" in reason or "no path" in reason or "`..`" in reason
                for reason in result["reasons"].values()
            )
            [(uris, _)] = found.all().values()
            assert uris == ["b/good.png", "good.png"]


def test_links_in_a_tar_lead_nowhere(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo(f"{kind!r}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    (tmp_path / "p.tar").write_bytes(out.getvalue())
    assert list(read_source(tmp_path / "p.tar", None)) == []


def test_a_member_that_unpacks_to_more_than_a_picture_may_have_is_refused_by_its_header(tmp_path):
    (tmp_path / "p.zip").write_bytes(zip_of(("bomb.png", bytes(2**20)), ("ok.png", b"ok")))
    assert (tmp_path / "p.zip").stat().st_size < 2000
    reach = Resolver()
    bomb = reach.file(reach.address(f"zip://bomb.png::{tmp_path}/p.zip"))
    with pytest.raises(TooLarge):
        bomb.read(2**20 - 1)
    assert bomb.read(2**20) == bytes(2**20)


def test_a_member_that_is_packed_to_more_than_a_picture_may_have_is_not_read(tmp_path):
    data = bytearray(zip_of(("big.png", b"x" * 10)))
    at = data.index(b"PK\x01\x02") + 20
    data[at : at + 4] = struct.pack("<I", 0xF0000000)
    (tmp_path / "p.zip").write_bytes(data)
    reach = Resolver()
    with pytest.raises((TooLarge, InvalidInput)):
        reach.file(reach.address(f"zip://big.png::{tmp_path}/p.zip")).read(2**20)


@pytest.mark.parametrize("time", ["inf", "nan", "1e30", "-1e30"])
def test_an_absurd_time_in_a_tar_is_none(tmp_path, time):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.png")
        info.size = 2
        info.pax_headers = {"mtime": time}
        tar.addfile(info, io.BytesIO(b"ok"))
    (tmp_path / "p.tar").write_bytes(out.getvalue())
    [found] = read_source(tmp_path / "p.tar", None)
    assert found.listed.mtime_ns == 0
    assert found.file.read(10) == b"ok"


def test_a_header_that_lies_about_the_size_is_found_out(tmp_path):
    data = bytearray(zip_of(("bomb.png", bytes(2**20))))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 100)
    (tmp_path / "p.zip").write_bytes(data)
    reach = Resolver()
    with pytest.raises(OSError, match="damaged"):
        reach.file(reach.address(f"zip://bomb.png::{tmp_path}/p.zip")).read(1000)


def test_members_over_one_another_are_refused(tmp_path):
    data = zip_of(("a.png", b"x" * 50), packed=zipfile.ZIP_STORED)
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[start:end]
    twice = bytearray(data[:start] + entry + entry.replace(b"a.png", b"b.png") + data[end:])
    tail = twice.index(b"PK\x05\x06")
    struct.pack_into("<HHI", twice, tail + 8, 2, 2, 2 * len(entry))
    (tmp_path / "p.zip").write_bytes(twice)
    with pytest.raises(InvalidInput, match="members overlap"):
        read_source(tmp_path / "p.zip", None)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.tar", tar_of(("a.png", b"x" * 2000), ("b.png", b"y" * 2000))[:3000]),
        ("open.tar", tar_of(("a.png", b"x" * 512))[:1024]),
        ("text.tar", b"no archive at all" * 100),
        ("empty.tar", b""),
        ("cut.zip", zip_of(("a.png", b"x" * 2000))[:-30]),
        ("text.zip", b"no archive at all" * 100),
    ],
    # A zip tells when it was packed, so its bytes are no name for a test.
    ids=["cut.tar", "open.tar", "text.tar", "empty.tar", "cut.zip", "text.zip"],
)
def test_an_archive_that_is_cut_or_none_is_refused_whole(tmp_path, name, data):
    """A sync of half an archive would take the other half for deleted."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInput, match=f"{name} can't be read as a (tar|zip) archive"):
        read_source(tmp_path / name, None)


def test_a_damaged_member_fails_alone(tmp_path):
    data = zip_of(("a.png", b"x" * 99), ("b.png", b"y" * 99), packed=zipfile.ZIP_STORED)
    (tmp_path / "p.zip").write_bytes(data.replace(b"xxx", b"xyx"))
    with collection(tmp_path / "data") as found:
        result = found.ingest(tmp_path / "p.zip")
    assert (result["embedded"], list(result["reasons"])) == (1, ["a.png"])


def test_what_is_on_this_disk_needs_no_fsspec(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "p.tar").write_bytes(tar_of(("a.png", b"x")))
    code = (
        "import sys; from pathlib import Path\n"
        "from services.indexer.sources.source import read_source\n"
        f"for at in ('', 'p.tar'): assert read_source(Path({str(tmp_path)!r}) / at, None)\n"
        "assert not {'fsspec', 's3fs', 'botocore', 'aiohttp'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
