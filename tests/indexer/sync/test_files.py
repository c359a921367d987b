"""What a sync does about each kind of change of files, and what it leaves alone."""

import os
from contextlib import suppress
from dataclasses import replace

import pytest

from services.indexer.catalog.schema import locations
from services.indexer.jobs.context import Cancelled
from shared.objects.file import LocalFile
from tests.indexer.sync.sources import done, folder, image


@pytest.fixture
def no_reading(monkeypatch):
    """Has no file be opened from now on."""

    def stop() -> None:
        monkeypatch.setattr(LocalFile, "sha256", None)
        monkeypatch.setattr(LocalFile, "read", None)

    return stop


def test_a_second_sync_reads_no_file(here, root, no_reading):
    here.sync(root)
    before = here.current.manifest()
    no_reading()
    result = here.sync(root)
    assert (done(result), here.embedding.embedded) == ({}, 3)
    assert here.current.manifest() == before


def test_a_touched_file_is_read_once_and_not_embedded(here, root, no_reading):
    here.sync(root)
    os.utime(root / "a.png")
    (root / "dog/b.png").chmod(0o600)
    result = here.sync(root)
    assert (done(result), result["unchanged"], here.embedding.embedded) == ({}, 3, 3)
    no_reading()
    assert done(here.sync(root)) == {}


def test_a_catalogue_that_knows_no_ctime_has_no_file_read_anew(here, root, no_reading):
    """An older version wrote it."""
    here.sync(root)
    with here.database.write() as db:
        db.execute(locations.update().values(ctime_ns=0))
    no_reading()
    for _ in range(2):
        assert done(here.sync(root)) == {}


def test_another_file_of_the_same_time_and_size_is_seen(here, root):
    here.sync(root)
    stat = (root / "a.png").stat()
    folder(root, {"new": "x"})
    os.utime(root / "new", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (root / "new").replace(root / "a.png")
    assert done(here.sync(root)) == {"change": 1}


def test_files_that_change_places_are_not_embedded(here, root):
    here.sync(root)
    (root / "a.png").rename(root / "held")
    (root / "dog/b.png").rename(root / "a.png")
    (root / "held").rename(root / "dog/b.png")
    assert done(here.sync(root)) == {"change": 2}
    assert image(here, "a") == (["dog/b.png"], ["dog"])
    assert image(here, "b") == (["a.png"], [])
    assert here.embedding.embedded == 3


def test_the_same_bytes_at_two_paths_stay_one_image(here, root):
    folder(root, {"cat/b.png": "b"})
    here.sync(root)
    assert image(here, "b") == (["cat/b.png", "dog/b.png"], ["cat", "dog"])
    (root / "dog/b.png").unlink()
    assert done(here.sync(root)) == {"delete": 1}
    assert image(here, "b") == (["cat/b.png"], ["cat"])
    folder(root, {"b.png": "b"})
    assert done(here.sync(root)) == {"copy": 1}
    assert image(here, "b") == (["b.png", "cat/b.png"], ["cat"])
    assert here.embedding.embedded == 3


def test_an_upload_stays_when_its_file_goes(here, root):
    here.sync(root)
    here.upload("mine.png", b"a")
    (root / "a.png").unlink()
    assert done(here.sync(root)) == {"delete": 1}
    assert image(here, "a") == (["mine.png"], [])
    here.check()


def test_a_file_that_cant_be_used_any_more_keeps_its_image(here, root):
    here.sync(root)
    (root / "dog/b.png").write_bytes(b"bytes that are over the limit")
    intake = here.intake
    settings = replace(intake._tools.settings, max_image_bytes=9)
    intake._tools = replace(intake._tools, settings=settings)
    result = here.sync(root)
    assert result["failed"] == 1
    assert image(here, "b") == (["dog/b.png"], ["dog"])


def test_what_cant_be_read_is_not_gone(here, root, unreadable):
    here.sync(root)
    unreadable(root / "dog")
    result = here.sync(root)
    assert (done(result), result["failed"]) == ({}, 1)
    assert result["reasons"] == {"dog": "The folder can't be read: Permission denied."}
    assert len(here.all()) == 3


def test_a_folder_that_became_a_link_keeps_its_images(here, root, tmp_path):
    here.sync(root)
    (root / "dog").rename(tmp_path / "elsewhere")
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    assert done(here.sync(root)) == {}
    assert len(here.all()) == 3


def test_thousands_of_moves_are_few_transactions(here, tmp_path, monkeypatch):
    root = folder(tmp_path / "many", {f"dog/{n}.png": f"{n}" for n in range(600)})
    here.sync(root)
    (root / "dog").rename(root / "cat")
    commits = []
    write = here.database.write
    monkeypatch.setattr(here.database, "write", lambda: commits.append(1) or write())
    result = here.sync(root)
    assert (done(result), result["embedded"]) == ({"retag": 600}, 0)
    assert len(commits) == 2
    # A plain ingest's too, though it keeps the paths that are gone.
    (root / "cat").rename(root / "car")
    commits.clear()
    assert here.ingest(root)["already_there"] == 600
    assert len(commits) == 2


@pytest.mark.parametrize("calls", range(6))
def test_a_sync_that_broke_off_is_finished_by_the_next(here, root, monkeypatch, calls):
    """Broken off before each of its transactions."""
    folder(root, {"e.png": "e", "f.png": "f"})
    here.sync(root)
    (root / "a.png").rename(root / "dog/moved.png")
    (root / "dog/b.png").unlink()
    (root / "e.png").rename(root / "held")
    (root / "f.png").rename(root / "e.png")
    (root / "held").rename(root / "f.png")
    folder(root, {"dog/c.png": "other", "new.png": "new"})
    left = iter([None] * calls)
    write = here.database.write

    def breaking():
        if next(left, "ended") == "ended":
            raise Cancelled
        return write()

    monkeypatch.setattr(here.database, "write", breaking)
    with suppress(Cancelled):
        here.sync(root)
    assert (next(left, "ended") == "ended") == (calls < 5)
    monkeypatch.setattr(here.database, "write", write)
    here.sync(root)
    assert {uri: tags for uris, tags in here.all().values() for uri in uris} == {
        "dog/moved.png": ["dog"],
        "dog/c.png": ["dog"],
        "e.png": [],
        "f.png": [],
        "new.png": [],
    }
    # What was embedded and not recorded is embedded again.
    assert here.embedding.embedded == (9 if calls == 3 else 7)
    here.check()


def test_a_plain_ingest_says_which_pictures_were_overwritten(here, root):
    here.ingest(root)
    folder(root, {"a.png": "other"})
    assert here.ingest(root)["replaced"] == 1
    assert image(here, "a") == ([], [])
    assert image(here, "other") == (["a.png"], [])
    assert done(here.sync(root)) == {}
