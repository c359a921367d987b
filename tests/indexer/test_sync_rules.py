"""What a sync does about each kind of change, and what it leaves alone."""

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from services.indexer.catalog.locations import merged
from services.indexer.catalog.schema import locations
from services.indexer.jobs.context import Cancelled
from services.indexer.sync import runner as sync_module
from shared.core.errors import Conflict, InvalidInput
from shared.media.identity import content_id
from shared.objects.file import LocalFile
from tests.indexer.following import Collection, collection

ACTIONS = ("add", "change", "move", "copy", "retag", "delete")


def done(result) -> dict[str, int]:
    return {action: result[action] for action in ACTIONS if result[action]}


@pytest.fixture
def here(tmp_path):
    with collection(tmp_path / "data") as found:
        yield found


@pytest.fixture
def root(tmp_path) -> Path:
    return folder(tmp_path / "source", {"a.png": "a", "dog/b.png": "b", "dog/c.png": "c"})


def folder(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def image(here: Collection, content: str) -> tuple[list[str], list[str]] | None:
    """The uris and tags of the image with these bytes."""
    return here.all().get(content_id(content.encode()))


def tag(here: Collection, content: str, *tags: str) -> None:
    here.images.patch(content_id(content.encode()), list(tags), None)


# --- files --------------------------------------------------------------------------------------


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


# --- tags ---------------------------------------------------------------------------------------


def test_a_users_tags_survive_and_the_sources_follow(here, root):
    here.sync(root)
    tag(here, "b", "dog", "mine")
    tag(here, "c", "mine")
    assert done(here.sync(root)) == {}
    assert image(here, "c") == (["dog/c.png"], ["mine"])
    (root / "dog").rename(root / "Cat")
    assert done(here.sync(root)) == {"retag": 2}
    assert image(here, "b") == (["Cat/b.png"], ["Cat", "mine"])
    assert image(here, "c") == (["Cat/c.png"], ["Cat", "mine"])
    (root / "Cat").rename(root / "cat")
    assert done(here.sync(root)) == {"retag": 2}
    assert image(here, "b") == (["cat/b.png"], ["cat", "mine"])


def test_tags_that_are_no_longer_wanted_go(here, root):
    here.sync(root)
    assert done(here.sync(root, tags_from="none")) == {"retag": 2}
    assert image(here, "b") == (["dog/b.png"], [])


@pytest.mark.parametrize(
    ("present", "before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 1}, {}, {}),
        ({}, {}, {"a": 1}, {"a": 1}),
        ({"own": 0}, {"a": 1}, {"a": 1, "b": 2}, {"own": 0, "b": 2}),
        ({"a": "own"}, {"a": 1}, {"a": 2}, {"a": "own"}),
        ({"a": "own"}, {"a": 1}, {}, {"a": "own"}),
        ({}, {"a": 1}, {"a": 2}, {}),
    ],
)
def test_what_a_user_changed_stays(present, before, after, expected):
    assert merged(present, before, after) == expected


# --- manifests ----------------------------------------------------------------------------------


@pytest.fixture
def manifest(root):
    def write(*rows: dict[str, object]) -> Path:
        (root / "list.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        return root / "list.jsonl"

    return write


def test_a_manifests_tags_and_metadata_are_followed(here, manifest):
    rows = [{"path": "a.png", "tags": "x;y", "year": 1999}, {"path": "dog/b.png", "tags": "x"}]
    here.sync(manifest(*rows))
    here.images.patch(content_id(b"a"), None, {"year": 1999, "mine": True})
    assert done(here.sync(manifest({"path": "a.png", "tags": "y;z"}, rows[1]))) == {"retag": 1}
    assert image(here, "a") == (["a.png"], ["y", "z"])
    assert here.images.get(content_id(b"a"))[0].metadata == {"mine": True}


def test_what_a_manifest_no_longer_names_goes_though_its_file_is_there(here, root, manifest):
    rows = [{"path": "a.png"}, {"path": "dog/b.png"}, {"path": "dog/c.png"}]
    here.sync(manifest(*rows))
    here.sync(manifest(*rows[:2]))
    assert image(here, "c") is None
    (root / "dog/b.png").unlink()
    result = here.sync(manifest(*rows[:2]))
    assert done(result) == {"delete": 1}
    assert result["reasons"] == {"dog/b.png": "The file can't be read: No such file or directory."}
    assert set(here.all()) == {content_id(b"a")}


def test_a_manifest_and_its_folder_leave_each_others_tags_alone(here, root, manifest):
    listed = manifest({"path": "dog/b.png", "tags": "spot"}, {"path": "dog/b.png", "tags": "pup"})
    here.sync(listed)
    here.sync(root)
    assert image(here, "b") == (["dog/b.png"], ["dog", "pup", "spot"])
    assert done(here.sync(listed)) == done(here.sync(root)) == {}
    here.sync(manifest({"path": "a.png"}))
    assert image(here, "b") == (["dog/b.png"], ["dog"])


# --- sources in sources -------------------------------------------------------------------------


def test_a_folder_within_a_synced_one_is_a_source_of_its_own(here, root):
    here.sync(root)
    assert done(here.sync(root / "dog")) == {"copy": 2}
    assert image(here, "b") == (["b.png", "dog/b.png"], ["dog"])
    (root / "dog/b.png").unlink()
    folder(root, {"dog/c.png": "other"})
    # A file that's gone is gone for every source, and one that changed has changed for all.
    assert done(here.sync(root / "dog")) == {"delete": 1, "change": 1}
    assert image(here, "b") is image(here, "c") is None
    assert image(here, "other") == (["c.png", "dog/c.png"], ["dog"])
    assert done(here.sync(root)) == {}


def test_a_folder_whose_name_begins_alike_is_another(here, root, tmp_path):
    other = folder(tmp_path / "source2", {"d.png": "d"})
    here.sync(root)
    here.sync(other)
    (other / "d.png").unlink()
    assert done(here.sync(root)) == {}
    assert image(here, "d") is not None


# --- consent ------------------------------------------------------------------------------------


def test_a_sync_that_would_delete_most_is_refused_without_consent(here, root):
    here.sync(root)
    for path in root.rglob("*.png"):
        path.unlink()
    with pytest.raises(Conflict, match=r"^3 of the 3 files .* disk is mounted.*--force"):
        here.sync(root, force=False)
    assert here.sync(root, dry_run=True)["plan"]["needs_force"]
    assert len(here.all()) == 3
    assert done(here.sync(root)) == {"delete": 3}
    assert here.all() == {}
    with pytest.raises(InvalidInput, match="no pictures"):
        here.sync(root)


def test_fewer_than_half_may_go_unasked_and_one_of_two(here, root, tmp_path):
    folder(root, {"dog/d.png": "d", "dog/e.png": "e"})
    here.sync(root)
    (root / "dog/b.png").unlink()
    (root / "dog/c.png").unlink()
    assert done(here.sync(root, force=False)) == {"delete": 2}
    two = folder(tmp_path / "two", {"x.png": "x", "y.png": "y"})
    here.sync(two)
    (two / "x.png").unlink()
    assert done(here.sync(two, force=False)) == {"delete": 1}


def test_half_of_all_files_may_not_go_unasked(here, root):
    folder(root, {"dog/d.png": "d"})
    here.sync(root)
    (root / "dog/b.png").unlink()
    (root / "dog/c.png").unlink()
    with pytest.raises(Conflict, match=r"^2 of the 4 files"):
        here.sync(root, force=False)
    assert done(here.sync(root)) == {"delete": 2}


def test_a_dry_run_tells_the_steps_and_changes_nothing(here, root, monkeypatch):
    here.sync(root)
    before = here.all()
    (root / "a.png").rename(root / "dog/moved.png")
    (root / "dog/b.png").unlink()
    folder(root, {"dog/c.png": "other", "new.png": "new"})
    monkeypatch.setattr(here.database, "write", None)
    plan = here.sync(root, dry_run=True)["plan"]
    assert plan["steps"] == [
        {"action": "delete", "uri": "dog/b.png", "was": None, "tags": ["dog"]},
        {"action": "change", "uri": "dog/c.png", "was": None, "tags": ["dog"]},
        {"action": "retag", "uri": "dog/moved.png", "was": "a.png", "tags": ["dog"]},
        {"action": "add", "uri": "new.png", "was": None, "tags": []},
    ]
    assert (plan["embed"], plan["unchanged"], plan["left_out"]) == (2, 0, 0)
    assert here.all() == before


def test_a_long_plan_is_counted_whole(here, root, monkeypatch):
    monkeypatch.setattr(sync_module, "_LISTED", 1)
    plan = here.sync(root, dry_run=True)["plan"]
    assert (plan["counts"]["add"], len(plan["steps"]), plan["left_out"]) == (3, 1, 2)


# --- deleted by a user --------------------------------------------------------------------------


def test_a_picture_that_a_user_deleted_stays_deleted_while_its_file_is_there(here, root):
    here.sync(root)
    here.delete(content_id(b"b"))
    result = here.sync(root)
    assert (done(result), result["dismissed"]) == ({}, 1)
    # Wherever the file goes; but other bytes are another picture.
    (root / "dog/b.png").rename(root / "dog/d.png")
    assert here.sync(root)["dismissed"] == 1
    assert image(here, "b") is None
    folder(root, {"dog/d.png": "d"})
    assert done(here.sync(root)) == {"add": 1}
    folder(root, {"dog/b.png": "b"})
    assert done(here.sync(root)) == {"add": 1}
    assert here.origins.dismissed() == []


def test_a_plain_ingest_and_an_upload_bring_a_deleted_picture_back(here, root):
    here.sync(root)
    for bring in (lambda: here.ingest(root), lambda: here.upload("b.png", b"b")):
        here.delete(content_id(b"b"))
        bring()
        assert here.sync(root)["dismissed"] == 0
        assert image(here, "b") is not None


# --- broken off, and beside ---------------------------------------------------------------------


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
