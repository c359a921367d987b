"""Deletions by a sync need consent; a dry run changes nothing; a user's deletions stay."""

import pytest

from services.indexer.sync import runner as sync_module
from shared.core.errors import Conflict, InvalidInput
from shared.media.identity import content_id
from tests.indexer.sync.sources import done, folder, image


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
