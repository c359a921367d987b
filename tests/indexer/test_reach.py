"""Addresses, archives and roots: what may be read, and what is refused."""

import io
import re
import struct
import subprocess
import sys
import tarfile
import zipfile

import pytest

from services.indexer.sources.allowlist import Roots, check_allowed
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import read_source
from shared.core.errors import BadImage, Forbidden, InvalidInput, Misconfigured, TooLarge
from shared.objects.address import Address
from tests.indexer.following import collection

# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("/pictures/a.png", "/pictures/a.png"),
        ("/odd://name", "/odd://name"),
        ("file:///pictures/a%20b", "/pictures/a b"),
        ("s3://bucket/a b/", "s3://bucket/a b"),
        ("S3://bucket", "s3://bucket"),
        ("HTTP://Host.Example:80/a.csv#part", "http://host.example/a.csv"),
        ("https://host.example:8443/a.csv?page=2", "https://host.example:8443/a.csv?page=2"),
        ("zip://cat/a.png::s3://b/p.zip", "zip://cat/a.png::s3://b/p.zip"),
        ("tar://::/p.tar", "tar://::/p.tar"),
    ],
)
def test_one_thing_has_one_text(text, same):
    assert str(Address.parse(text)) == same
    assert Address.parse(same) == Address.parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pictures", "must be an absolute path"),
        ("gs://bucket/a", "gs:// is not a supported protocol .* ISE_SOURCE_PROTOCOLS"),
        ("gopher://x", "not a supported protocol"),
        ("s3://", "needs the name of a bucket"),
        ("s3://bucket/../other/a.png", "`..`"),
        ("s3://bucket/%2e%2e/other", "`..`"),
        ("s3://bucket/a\x00b", "control character"),
        ("https://host/a/..%2fb.csv", "`..`"),
        ("https://host/a\\..\\b.csv", "backslash"),
        ("https:///a.csv", "needs the name of a host"),
        ("zip://a.png", "needs an archive behind"),
        ("zip://../a.png::s3://b/p.zip", "`..`"),
        ("zip://a.png::https://host/p.zip", "Download or unpack"),
        ("zip://a.png::zip://b.zip::s3://b/c.zip", "`::`|Download or unpack"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text, says):
    with pytest.raises(InvalidInput, match=says):
        Address.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:geheim@host.example/a.csv",
        "https://geheim@host.example/a.csv",
        "s3://key:geheim@bucket/a",
        "https://host.example/a.csv?X-Amz-Signature=geheim",
        "https://host.example/a.csv?token=geheim",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_repeated(text, tmp_path):
    with pytest.raises(InvalidInput) as refused:
        Address.parse(text)
    assert "geheim" not in str(refused.value)
    with pytest.raises(Misconfigured) as misconfigured:
        Roots.parse([text])
    assert "geheim" not in str(misconfigured.value)
    (tmp_path / "list.txt").write_text(text)
    [in_list] = read_source(tmp_path / "list.txt", None)
    assert in_list.error.startswith("Line 1: ")
    assert "geheim" not in in_list.error + in_list.shown + in_list.uri + in_list.path


def test_further_protocols_are_taken_where_they_are_named():
    assert str(Address.parse("memory://a/b", {"memory"})) == "memory://a/b"


# --- roots ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "is_allowed"),
    [
        ("s3://bucket/team", True),
        ("s3://bucket/team/a/b.png", True),
        ("s3://bucket/teammate/a.png", False),
        ("s3://bucket", False),
        ("s3://other/team/a.png", False),
        ("https://host.example/lists/a.csv?x=1", True),
        ("https://host.example:444/lists/a.csv", False),
        ("http://host.example/lists/a.csv", False),
        ("https://host.example.evil.org/lists/a.csv", False),
        ("tar://a.png::s3://bucket/team/p.tar", True),
        ("tar://a.png::s3://bucket/p.tar", False),
        ("tar://a.png::/etc/p.tar", False),
        ("/etc/passwd", False),
    ],
)
def test_only_what_is_below_a_root_is_ingested(source, is_allowed, tmp_path):
    given = ["s3://bucket/team/", "https://HOST.example:443/lists", tmp_path]
    roots = Roots.parse(given).of(confined=True)
    if is_allowed:
        check_allowed(Address.parse(source), roots)
    else:
        with pytest.raises(Forbidden, match="ISE_INGEST_ROOTS"):
            check_allowed(Address.parse(source), roots)


def test_a_link_to_an_archive_outside_the_roots_is_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "p.tar", "w"):
        pass
    (tmp_path / "in/p.tar").symlink_to(tmp_path / "p.tar")
    with pytest.raises(Forbidden):
        read_source(tmp_path / "in/p.tar", None, [tmp_path / "in"])
    with pytest.raises(Forbidden):
        read_source(f"tar://::{tmp_path}/in/p.tar", None, [tmp_path / "in"])


def test_over_the_api_roots_and_credentials_are_checked_before_anything_is_kept(start, caplog):
    with start(host="0.0.0.0", allow_open=True, ingest_roots=["s3://bucket/team"]) as service:  # noqa: S104
        with pytest.raises(Forbidden, match="s3://bucket/other"):
            service.start_ingest("s3://bucket/other")
        with pytest.raises(InvalidInput) as refused:
            service.start_ingest("s3://key:geheim@bucket/team")
        jobs = service.http.get("/v1/jobs").text
    assert "geheim" not in str(refused.value) + jobs + caplog.text


# --- archives ---------------------------------------------------------------------------------


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


# --- the web ----------------------------------------------------------------------------------


def test_a_list_of_web_addresses_is_fetched_by_the_rules_for_those(tmp_path):
    def fetch(url):
        if url.endswith("gone.png"):
            raise BadImage(f"{url} can't be fetched: it answered 404.")
        if url.endswith(".txt"):
            return b"# pictures\nb/one.png\nhttps://other.example/two.png?size=1\n\nhttps://h/gone.png\n"
        return url.encode()

    with collection(tmp_path / "data", Resolver(fetch=fetch)) as found:
        result = found.ingest("https://h/lists/all.txt")
        assert (result["embedded"], result["failed"]) == (2, 1)
        assert "404" in result["reasons"]["h/gone.png"]
        uris = sorted(uri for uris, _ in found.all().values() for uri in uris)
        assert uris == ["b/one.png", "other.example/two.png"]
        for image_id in found.all():
            places = found.images.places(image_id)
            assert found.files.file(image_id, places[0]).read(1000) == places[0].path.encode()
        with pytest.raises(InvalidInput, match="can't follow"):
            found.sync("https://h/lists/all.txt")
        with pytest.raises(InvalidInput, match="give a list"):
            found.ingest("https://h/folder/")


def test_no_host_is_asked_that_is_not_named():
    with pytest.raises(Forbidden, match="ISE_FETCH_HOSTS"):
        Resolver().file(Address.parse("https://host.example/a.png")).read(10)


def test_the_service_fetches_by_the_same_rules_as_image_url(start):
    with start(fetch_hosts=["127.0.0.1"]) as service:
        error = service.failed(service.start_ingest("http://127.0.0.1/list.csv"))
    assert "its address isn't public" in error


@pytest.mark.parametrize("line", ["file:///etc/a.png", "/etc/a.png", "s3://private/a.png"])
def test_a_list_from_the_web_names_nothing_within(line):
    reach = Resolver(fetch=lambda _: f"path\n{line}\n".encode())
    if line.startswith("/"):
        [file] = read_source("https://h/list.csv", None, None, reach)
        assert file.path == "https://h/etc/a.png"
    else:
        [file] = read_source("https://h/list.csv", None, None, reach)
        assert re.match(r"Line 2: .*names only what is where it is", file.error)


def test_without_its_packages_the_extra_is_named():
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from services.indexer.sources.source import read_source\n"
        "try: read_source('s3://bucket/a', None)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.startswith("Misconfigured s3:// needs a package")
    assert "pip install 'image-search-engine[s3]'" in done.stdout


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
