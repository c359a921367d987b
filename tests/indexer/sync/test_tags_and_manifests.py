"""Tags and metadata of a source are followed; what a user changed stays."""

import json
from pathlib import Path

import pytest

from services.indexer.catalog.locations import merged
from shared.media.identity import content_id
from tests.indexer.sync.sources import done, folder, image, tag


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
