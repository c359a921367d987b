"""The words of a user return with the bytes of an image that a sync deleted."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.indexer.catalog import remembering
from services.indexer.catalog.trash import Trash
from shared.core.errors import NotFound
from tests.indexer.following import Collection, collection
from tests.indexer.three_folders import follow, here, image, root, write

__all__ = ["here", "root"]


def said(here: Collection, name: str) -> tuple[list[str], dict[str, object]]:
    row, item = here.images.get(image(name))
    return item.tags, row.metadata


def lose(here: Collection, root: Path, *names: str) -> dict[str, bytes]:
    """Has a sync delete these files' images; gives their bytes."""
    kept = {name: (root / name).read_bytes() for name in names}
    for name in names:
        (root / name).unlink()
    follow(here, root, force=True)
    assert not {image(name) for name in names} & here.all().keys()
    return kept


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request, tmp_path: Path) -> Iterator[Collection]:
    """A collection on each of the two databases."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres").new()
    (tmp_path / "either").mkdir()
    found = Collection(tmp_path / "either", url=url)
    yield found
    found.database.close()


def test_mount_points_are_kept_by_their_source(either):
    origins = either.origins
    assert origins.mounts("/s") is None
    for mounts in (set(), {"/s/a", "/s/b"}, {"/s/b"}, set()):
        origins.note_mounts("/s", mounts)
        assert origins.mounts("/s") == mounts
    assert origins.mounts("/other") is None


def test_what_a_user_said_returns_with_the_bytes(either, root):
    here = either
    follow(here, root)
    here.images.patch(image("dog/0.png"), ["dog", "Rex", "two words"], {"note": "in the garden"})
    here.images.patch(image("dog/1.png"), ["mine"], None)
    kept = lose(here, root, "dog/0.png", "dog/1.png", "dog/2.png")
    for name, data in kept.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)
    follow(here, root)
    assert said(here, "dog/0.png") == (["dog", "Rex", "two words"], {"note": "in the garden"})
    # Nor does a tag return that a user had taken off.
    assert said(here, "dog/1.png") == (["mine"], {})
    assert said(here, "dog/2.png") == (["dog"], {})
    here.check()


def test_it_returns_at_another_path_and_by_other_ways_in(here, root):
    follow(here, root)
    for n in range(3):
        here.images.patch(image(f"dog/{n}.png"), ["dog", f"mine {n}"], {"n": n})
    kept = lose(here, root, *(f"dog/{n}.png" for n in range(3)))
    (root / "cat/moved.png").write_bytes(kept["dog/0.png"])
    follow(here, root)
    assert said(here, "dog/0.png") == (["cat", "mine 0"], {"n": 0})
    here.upload("up.png", kept["dog/1.png"])
    assert said(here, "dog/1.png") == (["mine 1"], {"n": 1})
    other = write(root.parent / "other")
    other.mkdir()
    (other / "x.png").write_bytes(kept["dog/2.png"])
    here.ingest(other)
    assert said(here, "dog/2.png") == (["mine 2"], {"n": 2})


def test_it_is_forgotten_when_the_user_deletes_the_image(here, root):
    follow(here, root)
    here.images.patch(image("dog/0.png"), ["mine"], None)
    kept = lose(here, root, "dog/0.png")
    (root / "dog/0.png").write_bytes(kept["dog/0.png"])
    follow(here, root)
    here.delete(image("dog/0.png"))
    here.ingest(root)
    assert said(here, "dog/0.png") == (["dog"], {})
    # The words of the time before are not those of a later loss either.
    kept = lose(here, root, "dog/0.png")
    (root / "dog/0.png").write_bytes(kept["dog/0.png"])
    follow(here, root)
    assert said(here, "dog/0.png") == (["dog"], {})


def test_it_outlives_a_file_that_was_overwritten_for_a_while(here, root):
    follow(here, root)
    here.images.patch(image("dog/0.png"), ["dog", "mine"], None)
    (root / "dog/0.png").write_text("something else")
    follow(here, root)
    with pytest.raises(NotFound):
        here.images.get(image("dog/0.png"))
    (root / "dog/0.png").write_text("dog/0.png")
    follow(here, root)
    assert said(here, "dog/0.png") == (["dog", "mine"], {})


def test_it_outlives_a_process_that_was_killed_while_it_deleted(here, root):
    follow(here, root)
    here.images.patch(image("dog/0.png"), ["dog", "mine"], None)
    # The file was gone; the tombstone was durable, and the catalogue's change was not.
    (root / "dog/0.png").unlink()
    here.index.tombstones.add([here.images.ordinal(image("dog/0.png"))])
    here.deletions.finish()
    assert image("dog/0.png") not in here.all()
    # The next sync sees that it's gone, so that it isn't held for one that a user deleted.
    follow(here, root)
    write(root, "dog/0.png")
    follow(here, root)
    assert said(here, "dog/0.png") == (["dog", "mine"], {})


def interrupted(here: Collection, ordinal: int) -> bytes:
    """Breaks off a sync's deletion, which is taken back; gives the note that it wrote."""
    note = b""
    with suppress(KeyboardInterrupt), here.deletions.burying(by_sync=True) as bury:
        bury({ordinal: image("dog/0.png")})
        note = here.index.tombstones.path.with_name("sync-deletions.json").read_bytes()
        raise KeyboardInterrupt
    return note


def test_a_sync_that_was_killed_while_it_deleted_dismisses_nothing(here, root):
    here.images.keeps_deleted = True
    follow(here, root)
    ordinal = here.images.ordinal(image("dog/0.png"))
    # As a sync is killed behind its tombstone: the file is there again before the next sync.
    note = interrupted(here, ordinal)
    here.index.tombstones.add([ordinal])
    here.index.tombstones.path.with_name("sync-deletions.json").write_bytes(note)
    here.deletions.finish()
    assert image("dog/0.png") not in here.all()
    assert here.origins.dismissed() == []
    assert Trash(here.database).page(10, None)[1] == 1
    follow(here, root)
    assert image("dog/0.png") in here.all()
    assert Trash(here.database).page(10, None)[1] == 0


def test_a_users_deletion_that_was_killed_stays_one_after_a_sync_failed(here, root):
    follow(here, root)
    ordinal = here.images.ordinal(image("dog/0.png"))
    interrupted(here, ordinal)
    assert image("dog/0.png") in here.all()
    here.index.tombstones.add([ordinal])
    here.deletions.finish()
    assert [one.image_id for one in here.origins.dismissed()] == [image("dog/0.png")]


def test_the_oldest_words_go_where_there_are_too_many(here, root, monkeypatch):
    monkeypatch.setattr(remembering, "MOST", 2)
    follow(here, root)
    kept = {}
    for n in range(3):
        here.images.patch(image(f"dog/{n}.png"), ["mine"], None)
        kept |= lose(here, root, f"dog/{n}.png")
    for name, data in kept.items():
        (root / name).write_bytes(data)
    follow(here, root)
    assert [said(here, f"dog/{n}.png")[0] for n in range(3)] == [["dog"], ["mine"], ["mine"]]


WORDS = st.lists(st.sampled_from(["dog", "cat", "mine", "Two Words"]), unique=True)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tags=st.tuples(WORDS, WORDS, WORDS),
    back=st.lists(st.sampled_from(["dog", "cat", "elsewhere"]), min_size=3, max_size=3),
)
@pytest.mark.slow
def test_a_users_words_survive_loss_and_return(tags, back):
    with TemporaryDirectory() as made, collection(Path(made, "data")) as here:
        names = [f"dog/{n}.png" for n in range(3)]
        root = write(Path(made, "source"), *names, "cat/stays.png")
        follow(here, root)
        for name, its in zip(names, tags, strict=True):
            here.images.patch(image(name), its, {"note": name})
        kept = lose(here, root, *names)
        for name, folder in zip(names, back, strict=True):
            target = root / folder / Path(name).name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(kept[name])
        follow(here, root)
        for name, its, folder in zip(names, tags, back, strict=True):
            own = {tag for tag in its if tag != "dog"}
            # Of the source's own tag, the user's word counts while the source says the same.
            by_source = {"dog"} & set(its) if folder == "dog" else {folder}
            found, metadata = said(here, name)
            assert (set(found), metadata) == (own | by_source, {"note": name})
        here.check()
