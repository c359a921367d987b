"""The undo of a sync: what it deleted, changed and added is as before."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.indexer.catalog.trash import Trash
from shared.media.identity import content_id
from tests.indexer.following import Collection, collection
from tests.indexer.sync.sources import folder, image, tag
from tests.indexer.test_sync_states import CHANGES, change


@pytest.fixture
def kept(here) -> Collection:
    """With a trash."""
    here.images.keeps_deleted = True
    return here


def trashed(here: Collection) -> set[str]:
    return {one.id for one in Trash(here.database).page(100)[0]}


def test_what_was_deleted_moved_and_replaced_is_as_before(kept, root):
    folder(root, {"dog/d.png": "d"})
    kept.sync(root)
    tag(kept, "b", "dog", "mine")
    before = kept.all()
    (root / "dog/b.png").unlink()
    (root / "dog/c.png").rename(root / "moved.png")
    folder(root, {"a.png": "other", "new.png": "new"})
    kept.sync(root, job_id="job")
    assert trashed(kept) == {content_id(b"a"), content_id(b"b")}
    assert image(kept, "c") == (["moved.png"], [])
    done = kept.undo("job")
    assert (done["restored"], done["trashed"], done["left"]) == (2, 2, 0)
    assert kept.all() == before
    kept.check()
    assert trashed(kept) == {content_id(b"other"), content_id(b"new")}


def test_tags_that_a_user_gave_since_stay(kept, root):
    manifest = root / "list.csv"
    manifest.write_text("path,tags\na.png,cat\ndog/b.png,dog\n")
    kept.sync(manifest)
    manifest.write_text("path,tags\na.png,lion\ndog/b.png,dog\n")
    kept.sync(manifest, job_id="job")
    tag(kept, "a", "lion", "since")
    kept.undo("job")
    assert image(kept, "a") == (["a.png"], ["cat", "since"])


def test_what_came_back_by_a_later_sync_is_left_as_it_is(kept, root):
    kept.sync(root)
    (root / "dog/b.png").unlink()
    kept.sync(root, job_id="job")
    folder(root, {"dog/b.png": "b"})
    kept.sync(root)
    assert trashed(kept) == set()
    done = kept.undo("job")
    assert (done["restored"], done["left"]) == (0, 1)
    assert image(kept, "b") == (["dog/b.png"], ["dog"])
    kept.check()


def test_without_a_trash_deletions_stand_and_are_counted(here, root):
    kept = here
    kept.sync(root)
    (root / "dog/b.png").unlink()
    kept.sync(root, job_id="job")
    assert trashed(kept) == set()
    assert kept.undo("job")["left"] == 1
    assert image(kept, "b") is None
    kept.check()


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.lists(CHANGES, min_size=3, max_size=8), then=st.lists(CHANGES, max_size=8))
def test_after_any_changes_of_files_the_undo_of_a_sync_gives_what_was_there(first, then):
    with TemporaryDirectory() as place:
        root = Path(place) / "source"
        root.mkdir()
        (root / "stays.png").write_bytes(b"stays")
        for one in first:
            change(root, *one)
        with collection(Path(place) / "data") as here, pytest.MonkeyPatch.context() as patched:
            # Few at once: paths may have gone round among many.
            patched.setattr("services.indexer.catalog.undoing._AT_ONCE", 2)
            here.images.keeps_deleted = True
            here.sync(root)
            before = here.all()
            for one in then:
                change(root, *one)
            here.sync(root, job_id="job")
            here.undo("job")
            assert here.all() == before
            here.check()
            # A sync follows the files again, but for what the undo took out.
            here.sync(root)
            here.check()
