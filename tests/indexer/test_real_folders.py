"""What a real folder holds: dates, special files, links, system folders and rules of one's own."""

import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from services.indexer.ingest.one_by_one import each_alone
from services.indexer.sources.allowlist import Roots, check_allowed
from services.indexer.sources.source import Reading, attempt, read_source, stamp_of
from services.indexer.sources.source import Unusable as UnusableFile
from shared.clients import indexer
from shared.core.errors import Forbidden, InvalidInput, StorageFull, TooLarge
from shared.media.identity import content_id
from shared.objects.address import Address
from shared.objects.file import LocalFile, NotAFile, Stamp
from shared.objects.local_path import path_of, readable, text_of
from shared.objects.opening import open_file

# --- dates and other properties (row 3) -------------------------------------------------------

DATES = [-(2**63), -1, 0, 2**63 - 1, 2**63, 9_214_646_400 * 10**9, 2**64 - 1, 2**70]


@pytest.mark.parametrize("number", DATES)
def test_any_number_of_a_file_system_is_kept_and_read_again(database, images, entry, number):
    stamp = Stamp(number, 2**64 - 5, 2**64 - 1)
    images.record([entry(mtime_ns=number)], {})
    [place] = images.places(content_id(b"a"))
    assert place.mtime_ns == stamp.mtime_ns
    assert Stamp(number, 1).mtime_ns != Stamp(number + 1, 1).mtime_ns


def test_a_photo_of_any_date_is_taken_in_by_ingest_and_by_sync(service, folder_of, picture):
    years = {
        "1901": -(2**31),
        "1969": -1,
        "2106": 2**32,
        "2262": 9_223_372_037,
        "2446": 15032385535,
    }
    root = folder_of({f"{year}.png": n for n, year in enumerate(years)} | {"now.png": 99})
    for year, second in years.items():
        os.utime(root / f"{year}.png", (0, second))
    job = service.ingest(root)
    assert service.reasons(job) == {}
    assert job.result["embedded"] == 6
    again = service.ingest(root, sync=True)
    assert (again.result["unchanged"], again.result["failed"]) == (6, 0)
    os.utime(root / "1969.png", (0, 9_223_372_040))
    (root / "2262.png").write_bytes(picture(77))
    os.utime(root / "2262.png", (0, 9_223_372_037))
    changed = service.ingest(root, sync=True)
    assert (changed.result["change"], changed.result["failed"]) == (1, 0)


def test_whatever_reading_one_file_raises_is_that_files_failure():
    def broken(error: Exception):
        def read():
            raise error

        return read

    for error in (OverflowError("x"), ValueError("null byte"), RuntimeError(), KeyError(1)):
        with pytest.raises(UnusableFile, match=f"unexpected {type(error).__name__}"):
            attempt(broken(error))
    with pytest.raises(UnusableFile, match="over the limit"):
        attempt(broken(TooLarge("over the limit")))
    with pytest.raises(StorageFull):
        attempt(broken(StorageFull("full")))


def test_one_item_that_cannot_be_kept_fails_alone():
    kept: list[int] = []
    failed: dict[int, str] = {}

    def keep(some):
        if 7 in some or 40 in some:
            raise OverflowError
        kept.extend(some)

    each_alone(range(100), keep, failed.__setitem__)
    assert sorted(kept) == [n for n in range(100) if n not in (7, 40)]
    assert set(failed) == {7, 40}
    assert "OverflowError" in failed[7]


def test_what_is_no_items_fault_ends_all():
    def keep(some):
        raise StorageFull("The disk is full.")

    with pytest.raises(StorageFull):
        each_alone([1, 2], keep, lambda *_: None)


# --- special files (row 37) -------------------------------------------------------------------


def test_only_regular_files_are_opened_and_nothing_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket.png"))
    for path in (tmp_path / "pipe.png", tmp_path, Path("/dev/zero")):
        with pytest.raises(NotAFile):
            open_file(path).__enter__()
        with pytest.raises(NotAFile):
            LocalFile(path).read(10)
        with pytest.raises(NotAFile):
            LocalFile(path).sha256(10)
    with pytest.raises(OSError, match=r"No such device|regular"):
        open_file(tmp_path / "socket.png").__enter__()
    (tmp_path / "a.png").write_bytes(b"")
    found = read_source(tmp_path, None)
    assert [file.uri for file in found] == ["a.png"]
    assert found.skipped == {"special_files": 2}


def test_the_kernels_answers_are_no_files():
    told = Path("/proc/self/status")
    if not told.exists():
        pytest.skip("there is no /proc")
    with pytest.raises(NotAFile):
        LocalFile(told).read(2**20)


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.txt", "m.tar", "m.zip", "m.png"])
def test_a_pipe_as_a_source_is_refused_and_later_jobs_run(service, folder_of, name):
    root = folder_of({"a.png": 1})
    os.mkfifo(root / name)
    error = service.failed(service.start_ingest(root / name))
    assert "neither a folder nor a regular file" in error
    assert service.ingest(root, build=False).result["embedded"] == 1


def test_a_pipe_for_vectors_is_refused(service, tmp_path):
    for name in ("v.npy", "ids.txt"):
        os.mkfifo(tmp_path / name)
    answer = service.http.post("/v1/import", json={"source": f"{tmp_path}/v.npy", "model": "m"})
    assert answer.status_code == 422
    assert "regular file" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["big.csv", "big.jsonl", "big.txt"])
def test_a_sparse_manifest_of_gigabytes_is_read_in_bounded_memory_and_can_be_cancelled(
    tmp_path, name
):
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**31)

    class Enough(Exception):
        """The job was cancelled."""

    steps = iter(range(3))

    def check() -> None:
        if next(steps, None) is None:
            raise Enough

    with pytest.raises(Enough):
        read_source(tmp_path / name, None, reading=Reading(check=check))


def test_a_walk_can_be_cancelled_at_each_file(folder_of):
    root = folder_of({f"{n}.png": b"" for n in range(20)})
    seen = []

    def check() -> None:
        seen.append(1)
        if len(seen) == 10:
            raise InterruptedError

    with pytest.raises((InterruptedError, InvalidInput)):
        read_source(root, None, reading=Reading(check=check))
    assert len(seen) == 10


# --- sources that can't be (row 39) -----------------------------------------------------------


@pytest.mark.parametrize("confined", [False, True])
def test_a_source_that_no_path_can_be_is_refused_with_a_sentence(service, tmp_path, confined):
    (tmp_path / "loop").symlink_to("loop")
    bad = [f"{tmp_path}/a\0b", f"{tmp_path}/loop", f"/{'x' * 5000}", f"{tmp_path}/{'y' * 300}"]
    bad += [f"tar://::{tmp_path}/a\0.tar", "file:///a%00b", f"{tmp_path}/loop/x.csv"]
    for source in bad:
        for path, body in (
            ("/v1/ingest", {"source": source, "confined": confined}),
            ("/v1/import", {"source": source, "model": "m"}),
        ):
            answer = service.http.post(path, json=body)
            wanted = (422, 403) if confined else (422,)
            assert answer.status_code in wanted, (source, answer.text)
            assert answer.json()["detail"].endswith(".")
    raw = b'{"source": "/caf\xe9"}'
    headers = {"Content-Type": "application/json"}
    assert service.http.post("/v1/ingest", content=raw, headers=headers).status_code in (400, 422)
    lone = b'{"source": "/caf\\udce9"}'
    assert service.http.post("/v1/ingest", content=lone, headers=headers).status_code == 422


def test_one_outward_link_and_one_outward_member_fail_alone(folder_of, tmp_path):
    inside, outside = folder_of({"a.png": b""}, "inside"), folder_of({"b.png": b""}, "outside")
    (inside / "out.png").symlink_to(outside / "b.png")
    (inside / "folder").symlink_to(outside)
    for follow in (False, True):
        found = read_source(inside, None, [inside], reading=Reading(follow_links=follow))
        good = [file.uri for file in found if file.error is None]
        bad = {file.uri for file in found if file.error is not None}
        assert (good, bad) == (["a.png"], {"out.png", *(["folder"] if follow else [])})


def test_a_path_that_is_none_is_refused_where_roots_are_checked(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    roots = Roots([tmp_path]).of(confined=True)
    for path in ("loop", "a\0b"):
        with pytest.raises((InvalidInput, Forbidden)):
            check_allowed(tmp_path / path, roots)


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/a/b", "/caf\udce9/\udcff.png", "/%E9/\udce9%", "/a b/\udc80#?é", "/\n\udce9"]
)
def test_a_path_of_any_bytes_has_one_text_and_comes_back(name):
    text = text_of(name)
    text.encode()
    assert path_of(text) == name
    assert Address.parse(text).path == name
    assert str(Address.parse(text)) == text
    readable(name).encode()


def test_names_that_differ_in_bytes_are_readable_and_differ():
    assert readable("caf\udce9") == "caf%E9"
    assert len({readable(name) for name in ("caf\udce9", "caf\udce8", "café", "cafe")}) == 4


def test_a_folder_whose_name_can_be_no_tag_costs_no_picture(service, folder_of, picture):
    long = {f"{letter * 250}/{n}.png": n for n, letter in enumerate("xy")}
    job = service.ingest(folder_of(long))
    assert service.reasons(job) == {}
    image = service.send(indexer.get_image(content_id(picture(0))))
    assert image.tags == ["x" * 200]
    assert "2 folders" in job.result["tag_notes"][0]


def test_a_file_that_a_folder_took_the_name_of_is_gone(service, folder_of, picture):
    root = folder_of({"a.png": 1, "b.png": 2, "c.png": 3, "d.png": 4})
    service.ingest(root)
    for name in ("a.png", "b.png"):
        (root / name).unlink()
    (root / "a.png").mkdir()
    (root / "a.png/within.png").write_bytes(picture(5))
    os.mkfifo(root / "b.png")
    job = service.ingest(root, sync=True)
    assert (job.result["delete"], job.result["add"]) == (2, 1)
    assert service.parts.images.count() == 3


def test_a_name_that_is_not_utf8_is_read_by_its_text(folder_of):
    root = folder_of({"a.png": b""})
    odd = os.fsdecode(os.fsencode(root) + b"/caf\xe9.png")
    Path(odd).write_bytes(b"odd")
    [_, file] = read_source(root, None)
    assert file.path.startswith("file:///")
    assert LocalFile(Path(path_of(file.path))).read(10) == b"odd"
    assert stamp_of(file).bytes == 3
    with suppress(FileNotFoundError):
        Path(odd).unlink()
