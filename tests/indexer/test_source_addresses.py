"""Addresses of sources: one text each, credentials refused, roots kept to."""

import re
import subprocess
import sys
import tarfile

import pytest

from services.indexer.sources.allowlist import Roots, check_allowed
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import read_source
from shared.core.errors import BadImage, Forbidden, InvalidInput, Misconfigured
from shared.objects.address import Address
from tests.indexer.following import collection


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
