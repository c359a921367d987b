"""A folder that emptied is not taken for deleted, and what users said returns with the bytes."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.indexer.catalog.locations import Place, SourceEntry
from services.indexer.sources.source import SourceFile
from services.indexer.sync.folder_guard import FolderGuard, mount_points
from services.indexer.sync.planner import FileNow, Planner
from shared.objects.file import LocalFile
from shared.objects.local_path import text_of
from tests.indexer.three_folders import follow, here, image, root, write

__all__ = ["here", "root"]


# --- folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_there", [True, False], ids=["emptied", "vanished"])
@pytest.mark.parametrize("name", ["dog", "trips/far"])
def test_a_folder_that_emptied_is_held_back_and_said(here, root, name, is_there):
    follow(here, root)
    held = root.parent / "away"
    (root / name).rename(held)
    if is_there:
        (root / name).mkdir()
    (root / "cat/0.png").unlink()
    result = here.sync(root, force=False)
    assert (result["delete"], len(here.all())) == (1, 9)
    [told] = result["held_back"]
    assert (told["folder"], told["files"]) == (name, 3)
    assert ("not there" in told["reason"]) == (not is_there)
    # It is there again, and nothing is to be done.
    if is_there:
        (root / name).rmdir()
    held.rename(root / name)
    assert follow(here, root) == {}
    assert here.embedding.embedded == 10


def test_the_outermost_folder_that_emptied_is_named(here, root):
    follow(here, root)
    shutil.rmtree(root / "trips")
    assert follow(here, root) == {"trips": 4}


def test_exactly_half_in_folders_that_emptied_is_held_back(here, tmp_path):
    root = write(tmp_path / "half", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    follow(here, root)
    shutil.rmtree(root / "a")
    assert follow(here, root) == {"a": 2}
    assert len(here.all()) == 4


def test_most_of_a_source_in_folders_that_emptied_is_held_back_and_the_rest_followed(here, root):
    follow(here, root)
    for name in ("dog", "trips"):
        shutil.rmtree(root / name)
    write(root, "cat/new.png")
    assert follow(here, root) == {"add": 1, "dog": 3, "trips": 4}


def test_a_folder_goes_when_a_user_says_so(here, root):
    follow(here, root)
    for name in ("dog", "cat", "trips/far"):
        shutil.rmtree(root / name)
    assert follow(here, root, force_in=["trips"]) == {"delete": 3, "dog": 3, "cat": 3}
    assert follow(here, root, force_in=[str(root / "cat")]) == {"delete": 3, "dog": 3}
    assert follow(here, root, force=True) == {"delete": 3}
    assert len(here.all()) == 1


def test_a_dry_run_says_what_would_be_held_back(here, root):
    follow(here, root)
    shutil.rmtree(root / "dog")
    plan = here.sync(root, force=False, dry_run=True)["plan"]
    assert (plan["counts"]["delete"], plan["needs_force"]) == (0, True)
    assert [(one["folder"], one["files"]) for one in plan["held_back"]] == [("dog", 3)]
    plan = here.sync(root, dry_run=True)["plan"]
    assert (plan["counts"]["delete"], plan["held_back"]) == (3, [])


def test_a_folder_that_moved_is_no_loss(here, root):
    follow(here, root)
    (root / "dog").rename(root / "wolf")
    assert follow(here, root) == {"retag": 3}
    assert here.embedding.embedded == 10


def test_files_of_a_folder_that_has_others_go_unasked(here, root):
    follow(here, root)
    (root / "dog/0.png").unlink()
    (root / "dog/1.png").unlink()
    (root / "trips/far/0.png").unlink()
    assert follow(here, root) == {"delete": 3}


def test_a_folder_that_cant_be_read_is_said_and_stays(here, root, unreadable):
    follow(here, root)
    unreadable(root / "dog")
    result = here.sync(root)
    assert result["held_back"] == [
        {"folder": "dog", "files": 3, "reason": "The folder can't be read: Permission denied."}
    ]
    assert len(here.all()) == 10


def test_a_source_by_another_spelling_is_guarded_alike(here, root):
    source = f"{root.parent}/./{root.name}/"
    follow(here, source)
    shutil.rmtree(root / "dog")
    assert list(follow(here, source).values()) == [3]
    assert len(here.all()) == 10


def test_a_folder_may_have_any_name(here, tmp_path):
    names = ["a::b/1.png", "[x]/1.png", "new\nline/1.png", "ok/1.png", "ok/2.png", "ok/3.png"]
    root = write(tmp_path / "odd", *names)
    follow(here, root)
    for name in names[:3]:
        shutil.rmtree(root / name.partition("/")[0])
    assert follow(here, root) == {"a::b": 1, "[x]": 1, "new\nline": 1}


@pytest.mark.parametrize("top", ["plain", "gr\udcfcn"])
def test_a_folder_whose_name_is_not_utf8_is_guarded_alike(here, tmp_path, top):
    names = [f"caf\udce9/{n}.png" for n in range(2)] + [f"ok/{n}.png" for n in range(4)]
    root = tmp_path / top
    for n, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(str(n))
    follow(here, text_of(str(root)))
    shutil.rmtree(root / "caf\udce9")
    (root / "ok/3.png").unlink()
    assert follow(here, text_of(str(root))) == {"delete": 1, "caf%E9": 2}
    assert follow(here, text_of(str(root)), force_in=["caf%E9"]) == {"delete": 2}
    assert len(here.all()) == 3


def test_a_folder_knows_what_other_sources_say_of_its_files_whatever_their_names(here, tmp_path):
    root = write(tmp_path / "source", "a/1.png", "a/2.png", "a/3.png")
    (root / "a/caf\udce9.png").write_text("odd")
    follow(here, root / "a")
    (root / "a/caf\udce9.png").unlink()
    assert follow(here, root) == {"copy": 3, "delete": 1}


def test_the_files_of_a_manifest_are_guarded_alike(here, root):
    names = [str(path.relative_to(root)) for path in root.rglob("*.png")]
    (root / "list.txt").write_text("\n".join(names))
    follow(here, root / "list.txt")
    shutil.rmtree(root / "dog")
    assert follow(here, root / "list.txt") == {str(root / "dog"): 3}
    assert follow(here, root / "list.txt", force_in=[str(root / "dog")]) == {"delete": 3}


def test_what_a_user_deleted_stays_deleted_while_its_folder_is_away(here, root):
    follow(here, root)
    here.delete(image("dog/0.png"))
    (root / "dog").rename(root.parent / "away")
    follow(here, root)
    (root.parent / "away").rename(root / "dog")
    follow(here, root)
    assert image("dog/0.png") not in here.all()
    assert len(here.all()) == 9


# --- mounts -------------------------------------------------------------------------------------


@pytest.fixture
def mount(root: Path) -> Iterator[Path]:
    """A disk mounted in the source, with pictures of its own."""
    at = root / "disk"
    at.mkdir()
    # Without it, no mount is allowed.
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(at)], capture_output=True)
    if done.returncode:
        pytest.skip("nothing may be mounted here")
    write(at, *(f"{n}.png" for n in range(3)))
    yield at
    subprocess.run(["umount", str(at)], capture_output=True)


def test_a_disk_that_is_not_mounted_is_noticed_though_a_picture_lies_beneath_it(here, root, mount):
    follow(here, root)
    subprocess.run(["umount", str(mount)], check=True)
    write(mount, "beneath.png")
    for _ in range(2):
        result = here.sync(root, force=False)
        [told] = result["held_back"]
        assert (told["folder"], told["files"], result["delete"]) == ("disk", 3, 0)
        assert "different disk" in told["reason"]
    assert follow(here, root, force=True) == {"delete": 3}


def test_a_disk_that_is_mounted_over_pictures_hides_them_only(here, root, mount):
    subprocess.run(["umount", str(mount)], check=True)
    write(mount, "beneath.png", "too.png")
    follow(here, root)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(mount)], check=True)
    write(mount, "above.png")
    assert follow(here, root) == {"add": 1, "disk": 2}
    subprocess.run(["umount", str(mount)], check=True)
    # The one that was seen while the disk was there is gone with it.
    assert follow(here, root) == {"delete": 1}
    assert image("beneath.png") in here.all()


def test_mount_points_are_told_by_their_devices(tmp_path):
    assert mount_points(["/proc", str(tmp_path), str(tmp_path / "none")]) == {"/proc"}


# --- the planner --------------------------------------------------------------------------------

PATHS = st.lists(st.sampled_from("abc"), max_size=3).flatmap(
    lambda folders: st.sampled_from("12345").map(lambda n: "/".join(["", *folders, f"{n}.png"]))
)


def claim(path: str, content: str) -> SourceEntry:
    return SourceEntry("/s", content, Place(f"/s{path}", path[1:], 1, 1))


def now(path: str, content: str) -> FileNow:
    place = claim(path, content).place
    return FileNow(SourceFile(LocalFile(Path(place.path)), place.uri), place, content)


@settings(max_examples=300, deadline=None)
@given(
    before=st.dictionaries(PATHS, st.sampled_from("vwxyz"), min_size=1, max_size=12),
    lost=st.sets(PATHS),
    lost_folders=st.sets(st.sampled_from(["/a", "/b", "/a/b", "/b/c", "/c"])),
    moved=st.dictionaries(PATHS, st.sampled_from("vwxyz"), max_size=3),
)
@example({"/a/1.png": "v", "/a/2.png": "w", "/1.png": "x"}, set(), {"/a"}, {})
def test_no_image_whose_folder_emptied_is_lost(before, lost, lost_folders, moved):
    left = {
        path: content
        for path, content in before.items()
        if path not in lost and not any(path.startswith(f"{one}/") for one in lost_folders)
    }
    present = {**moved, **left}
    files = [now(path, content) for path, content in present.items()]
    claims = [claim(path, content) for path, content in before.items()]
    guard = FolderGuard([one.place.path for one in claims], [one.place.path for one in files], "/s")
    for force in (False, True):
        plan = Planner(
            "/s", claims, lambda path: path[2:] not in present, False, guard, force=force
        ).plan(files, ())
        gone = {path[2:] for path in plan.gone}
        assert gone <= before.keys() - present.keys()
        kept = {path: before[path] for path in before.keys() - present.keys() - gone}
        images = {*present.values(), *kept.values()}
        if force:
            assert not kept
            continue
        for path, content in before.items():
            folders = [path[:end] for end in range(1, len(path)) if path[end] == "/"]
            emptied = any(not any(p.startswith(f"{f}/") for p in present) for f in folders)
            if emptied:
                assert content in images
            elif path not in present:
                assert path in gone
