"""Large files of this machine, sent from where they lie: the real services, over HTTP.

No embedder runs: the catalogue says where the files are.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import pytest

from services.indexer.api import images as images_api
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.locations import Place
from services.indexer.sources.resolver import Resolver
from services.indexer.storage import verified_files
from services.indexer.storage.image_files import ImageFiles
from shared.core.errors import NotFound
from shared.media.identity import content_id
from tests.indexer.running import Service, until

MIB = 2**20
SIZE = 12 * MIB
SMALL = {"max_image_bytes": MIB, "spool": 64}
"""Bounds that are smaller than a film, as a large one is over those of the default."""
NOBODY = "http://127.0.0.1:9"


def made(path: Path, seed=1, size=SIZE) -> bytes:
    """Write as many bytes as a film may have, no two mebibytes alike."""
    random = np.random.default_rng(seed)
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.seek(at)
            file.write(random.bytes(1000) if at else b"\0\0\0\x18ftypmp42")
        file.truncate(size)
    return path.read_bytes()


def placed(path: Path, data: bytes) -> tuple[str, Place]:
    return content_id(data), Place(
        str(path), path.name, 0, len(data), sha256=sha256(data).hexdigest()
    )


@pytest.fixture
def film(tmp_path):
    return tmp_path / "film.mp4"


@pytest.fixture
def read_whole(monkeypatch):
    """Counts the files that were read to be verified."""
    began = []
    run = verified_files._Verification.run

    def counted(self, *rest):
        began.append(self.identity.inode)
        run(self, *rest)

    monkeypatch.setattr(verified_files._Verification, "run", counted)
    return began


@pytest.fixture
def serve(tmp_path):
    """Starts the indexer with some files in its catalogue."""
    running = []

    def start(*paths: Path, **changes) -> tuple[Service, list[str]]:
        service = Service(tmp_path / "data", NOBODY, **{**SMALL, **changes}).__enter__()
        running.append(service)
        entries = []
        for path in paths:
            image_id, place = placed(path, path.read_bytes())
            entries.append(Entry(image_id, place.sha256, place, source=str(tmp_path)))
        service.parts.images.record(entries, {})
        return service, [entry.id for entry in entries]

    yield start
    for service in running:
        service.__exit__()


def ask(http: httpx.Client, image_id: str, part: str | None = None, method="GET", **headers):
    given = {"Range": f"bytes={part}"} if part else {}
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.request(method, f"/v1/images/{image_id}/file", headers=given | told)


def once_checked(http: httpx.Client, image_id: str, part: str | None = None) -> httpx.Response:
    """Ask again while the file is being checked, as on a busy machine that takes a while."""
    while (answer := ask(http, image_id, part)).status_code == 503:
        assert answer.json()["checking"]
        time.sleep(0.2)
    return answer


def settles_in(path: Path) -> float:
    with path.open("rb") as content:
        return verified_files.Identity.of(content).settles_in


def open_files(path: Path) -> int:
    """Descriptors of this process, which all services of a test run in."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += entry.readlink() == path
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("by", ["indexer", "query"])
def test_parts_of_a_large_video_are_sent_without_a_copy(serve, film, read_whole, by):
    # More than the spool may hold.
    size = 72 * MIB
    data = made(film, size=size)
    service, (its,) = serve(film)
    http = service.http if by == "indexer" else service.query_http
    spool = service.app.state.gates.spool
    starts = [0, 1, 5 * MIB - 3, size - 70_000, *range(MIB, size, 9 * MIB)]
    with ThreadPoolExecutor(len(starts)) as pool:
        answers = pool.map(lambda at: once_checked(http, its, f"{at}-{at + 69_999}"), starts)
    for at, answer in zip(starts, answers, strict=True):
        assert (answer.status_code, answer.content) == (206, data[at : at + 70_000])
        assert answer.headers["content-range"] == f"bytes {at}-{min(size, at + 70_000) - 1}/{size}"
        assert answer.headers["content-type"] == "video/mp4"
    whole = ask(http, its)
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-length"] == str(size)
    assert ask(http, its, "-5").content == data[-5:]
    etag = whole.headers["etag"]
    assert ask(http, its, if_none_match=etag).status_code == 304
    assert ask(http, its, "3-5", if_range=etag).content == data[3:6]
    assert ask(http, its, "3-5", if_range='"other"').content == data
    outside = ask(http, its, f"{size}-")
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{size}")
    head = ask(http, its, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(size)
    assert spool.highest == 0
    assert len(read_whole) == 1
    until(lambda: not open_files(film))


@pytest.mark.parametrize("by", ["indexer", "query"])
def test_a_client_that_leaves_has_the_file_closed(serve, film, by):
    made(film, size=64 * MIB)
    service, (its,) = serve(film)
    http = service.http if by == "indexer" else service.query_http
    # A file that was written just now is sent from a copy.
    until(lambda: not settles_in(film))
    assert once_checked(http, its, "0-9").status_code == 206
    with http.stream("GET", f"/v1/images/{its}/file") as answer:
        assert answer.status_code == 200
        # The connection is closed where nobody holds this any more.
        pieces = answer.iter_raw(1000)
        next(pieces)
        assert open_files(film) == 1
    until(lambda: not open_files(film))


def test_one_caller_holds_only_some_of_the_places_for_files(serve, film, monkeypatch):
    monkeypatch.setattr("services.query.app._FILES_OF_ONE", 2)
    made(film, size=64 * MIB)
    service, (its,) = serve(film)
    assert once_checked(service.query_http, its, "0-9").status_code == 206
    with ExitStack() as held:
        for _ in range(2):
            # Sent once it is read: until then it stays open.
            reading = service.query_http.stream("GET", f"/v1/images/{its}/file")
            assert held.enter_context(reading).status_code == 200
        refused = ask(service.query_http, its, "0-9")
        assert refused.status_code == 429
        assert "2 files are in hand already" in refused.json()["detail"]
    # A call that failed holds none, either.
    for _ in range(3):
        assert ask(service.query_http, "0" * 64).status_code == 404
    until(lambda: ask(service.query_http, its, "0-9").status_code == 206)


@pytest.mark.parametrize("is_swapped", [True, False], ids=["swapped", "rewritten in place"])
def test_another_file_of_the_same_name_size_and_time_is_not_sent(
    serve, film, read_whole, is_swapped
):
    made(film)
    service, (its,) = serve(film)
    assert once_checked(service.http, its, "0-9").status_code == 206
    before = film.stat()
    kept = film.with_name("kept.mp4")
    if is_swapped:
        film.rename(kept)
        made(film, seed=2)
    else:
        kept.write_bytes(film.read_bytes())
        with film.open("r+b") as file:
            file.seek(9 * MIB)
            file.write(b"another")
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    gone = once_checked(service.http, its, "0-9")
    assert gone.status_code == 404
    assert "has changed since" in gone.json()["detail"]
    # Each file is read once, whatever is asked.
    assert once_checked(service.http, its).status_code == 404
    assert len(read_whole) == 2
    kept.replace(film)
    assert once_checked(service.http, its, "0-9").status_code == 206
    film.unlink()
    assert once_checked(service.http, its, "0-9").status_code == 404


def test_a_file_of_another_size_is_not_even_read(serve, film, read_whole):
    made(film)
    service, (its,) = serve(film)
    with film.open("ab") as file:
        file.write(b"more")
    assert ask(service.http, its, "0-9").status_code == 404
    assert read_whole == []


def test_nothing_of_what_is_written_while_it_is_sent_is_sent(serve, film):
    """The answer ends before its length, so that nobody takes it for whole."""
    size = 128 * MIB
    with film.open("wb") as file:
        file.truncate(size)
    service, (its,) = serve(film)
    received = 0
    with (  # noqa: PT012
        service.http.stream("GET", f"/v1/images/{its}/file") as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        for chunk in answer.iter_raw(MIB):
            if not received:
                with film.open("r+b") as file:
                    file.write(b"x" * size)
            received += len(chunk)
            assert not chunk.strip(b"\0")
    assert 0 < received < size
    until(lambda: not open_files(film))


def test_a_first_request_that_would_wait_says_so_and_the_check_goes_on(
    serve, film, monkeypatch, read_whole
):
    data = made(film)
    service, (its,) = serve(film)
    monkeypatch.setattr(images_api, "_VERIFYING_S", 0.0)
    is_read, digest = threading.Event(), verified_files._Verification._digest

    def slowly(self, *rest):
        assert is_read.wait(60)
        return digest(self, *rest)

    monkeypatch.setattr(verified_files._Verification, "_digest", slowly)
    first = ask(service.http, its, "0-9")
    problem = first.json()
    assert (first.status_code, problem["checking"]) == (503, True)
    assert int(first.headers["retry-after"]) == problem["retry_after"] >= 1
    assert "being checked" in problem["detail"]
    assert "0 % of it is read" in problem["detail"]
    through = service.query_http.get(f"/v1/images/{its}/file")
    assert (through.status_code, through.json()["checking"]) == (503, True)
    is_read.set()
    until(lambda: ask(service.http, its, "0-9").status_code == 206)
    assert ask(service.query_http, its, "1-9").content == data[1:10]
    assert len(read_whole) == 1
    # Whoever waits in vain leaves no open file.
    until(lambda: not open_files(film))


def test_one_callers_films_leave_room_for_the_checks_of_others(serve, tmp_path, monkeypatch):
    """They all come to the indexer from the query service, which tells whom it asks for."""
    films = [tmp_path / f"{number}.mp4" for number in range(5)]
    for seed, film in enumerate(films):
        made(film, seed=seed, size=2 * MIB)
    service, ids = serve(*films)
    monkeypatch.setattr("services.indexer.api.images._IN_MEMORY", 0)
    monkeypatch.setattr(images_api, "_VERIFYING_S", 0.0)
    goes_on, digest = threading.Event(), verified_files._Verification._digest

    def held(self, *rest):
        assert goes_on.wait(60)
        return digest(self, *rest)

    monkeypatch.setattr(verified_files._Verification, "_digest", held)
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=service.query_http.base_url, transport=elsewhere) as other:
        told = [ask(service.query_http, its).json()["detail"] for its in ids]
        assert ["of it is read" in detail for detail in told] == [True] * 4 + [False]
        assert "of it is read" in ask(other, ids[4]).json()["detail"]
        goes_on.set()
        for its, film in zip(ids, films, strict=True):
            assert once_checked(service.query_http, its).content == film.read_bytes()


def test_whoever_asks_first_reads_and_the_others_wait(tmp_path, film, read_whole):
    data = made(film)
    verified = verified_files.VerifiedFiles()
    start = threading.Barrier(8)

    def found(_):
        with film.open("rb") as content:
            content.seek(77)
            start.wait()
            digest = verified.sha256(content)
            assert content.tell() == 77
            return digest

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(found, range(8))) == {sha256(data).hexdigest()}
    assert len(read_whole) == 1
    verified.close()


def test_a_write_during_the_check_fails_it(film, monkeypatch):
    made(film)
    verified = verified_files.VerifiedFiles()
    slept = time.sleep

    def meanwhile(seconds):
        slept(seconds)
        with film.open("r+b") as file:
            file.write(b"x")

    monkeypatch.setattr(verified_files.time, "sleep", meanwhile)
    with film.open("rb") as content:
        with pytest.raises(verified_files.Changed):
            verified.sha256(content)
        monkeypatch.setattr(verified_files.time, "sleep", slept)
        assert verified.sha256(content) == sha256(film.read_bytes()).hexdigest()
    verified.close()


def test_roots_links_and_special_files_are_looked_at_by_the_open_file(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    data = made(outside / "film.mp4")
    files = ImageFiles(tmp_path / "data", 320, 10**8, Resolver(roots=[inside]), max_bytes=MIB)
    film = inside / "film.mp4"
    its, place = placed(film, data)

    def sent():
        found = files.sender.opened(its, [place], 60, "one")
        assert found is not None
        file, _ = found
        with_bytes = file.read(5 * MIB, 10)
        file.close()
        return with_bytes

    film.symlink_to(outside / "film.mp4")
    with pytest.raises(NotFound, match="outside"):
        sent()
    film.unlink()
    film.write_bytes(data)
    assert sent() == data[5 * MIB : 5 * MIB + 10]
    # That it was verified is no pass for a way around the roots.
    film.unlink()
    os.link(outside / "film.mp4", kept := tmp_path / "kept.mp4")
    film.symlink_to(kept)
    with pytest.raises(NotFound, match="outside"):
        sent()
    film.unlink()
    os.mkfifo(film)
    with pytest.raises(NotFound, match="missing or has changed"):
        sent()
    film.unlink()
    film.mkdir()
    with pytest.raises(NotFound, match="missing or has changed"):
        sent()
    files.close()
