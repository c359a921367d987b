"""What is left out of a source: system folders, links, and what the user's own rules say."""

from pathlib import Path

import pytest

from services.indexer.sources.source import Reading, read_source
from shared.core.errors import InvalidInput


def uris(source: Path, **reading) -> list[str]:
    return [file.uri for file in read_source(source, None, reading=Reading(**reading))]


def test_what_systems_leave_in_folders_is_skipped_and_counted(folder_of):
    names = ["@eaDir/x.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/a.jpg", "$RECYCLE.BIN/b.jpg"]
    names += ["lost+found/c.jpg", "System Volume Information/d.jpg", ".Trash-1000/files/e.jpg"]
    names += [".thumbnails/f.jpg", "__MACOSX/g.jpg", "album/._h.jpg", "album/Thumbs.db"]
    names += ["album/@EADIR/i.jpg", "FOUND.000/j.jpg"]
    root = folder_of({**dict.fromkeys(names, b""), ".hidden/k.jpg": b"", "album/l.jpg": b""})
    found = read_source(root, None)
    assert [file.uri for file in found] == ["album/l.jpg"]
    assert found.skipped == {"system": 12, "hidden": 1}
    assert [file.uri for file in read_source(root / "@eaDir", None)] != []


def test_exclude_leaves_out_as_a_gitignore_does(folder_of):
    root = folder_of(
        dict.fromkeys(["a.gif", "a.png", "private/b.png", "x/private/c.png", "x/top/d.png"], b"")
        | {"top/e.png": b"", "y/keep.gif": b""}
    )
    assert uris(root, exclude=["*.gif", "private/", "/top", "!keep.gif"]) == [
        "a.png",
        "x/top/d.png",
        "y/keep.gif",
    ]
    found = read_source(root, None, reading=Reading(["*.gif", "private/"]))
    assert found.skipped == {"excluded": 4}
    with pytest.raises(InvalidInput, match="is not a pattern"):
        uris(root, exclude=["\\"])


def test_an_iseignore_file_leaves_out_and_the_nearest_has_the_last_word(folder_of):
    root = folder_of(
        {
            ".iseignore": b"\xef\xbb\xbf# mine\r\n*.gif\r\nold/\r\n",
            "a.gif": b"",
            "b.png": b"",
            "x/.iseignore": b"!good.gif\n/only.png\n",
            "x/good.gif": b"",
            "x/bad.gif": b"",
            "x/only.png": b"",
            "x/y/only.png": b"",
            "x/old/z.png": b"",
        }
    )
    assert uris(root) == ["b.png", "x/good.gif", "x/y/only.png"]
    (root / "x/.iseignore").write_bytes(b"ok.png\n\\\n")
    [told] = [file for file in read_source(root, None) if file.error]
    assert (told.uri, "Line 2 is not a .gitignore pattern" in told.error) == ("x/.iseignore", True)
    (root / "x/.iseignore").unlink()
    # A folder of that name says no rules; a link that leads nowhere hides some.
    (root / "x/.iseignore").mkdir()
    assert not [file for file in read_source(root, None) if file.error]
    assert read_source(root, None).skipped["special_files"] == 1
    (root / "x/.iseignore").rmdir()
    (root / "x/.iseignore").symlink_to("gone")
    [told] = [file for file in read_source(root, None) if file.error]
    assert (told.uri, ".iseignore can't be read" in told.error) == ("x", True)


def test_links_to_folders_are_followed_where_asked_and_loops_are_caught(folder_of, tmp_path):
    root = folder_of({"a/1.png": b"", "b/2.png": b""})
    (root / "a/up").symlink_to(root)
    (root / "b/again").symlink_to(root / "a")
    (root / "c").symlink_to(folder_of({"3.png": b""}, "elsewhere"))
    assert uris(root) == ["a/1.png", "b/2.png"]
    assert read_source(root, None).skipped == {"links": 3}
    assert uris(root, follow_links=True) == ["a/1.png", "b/2.png", "b/again/1.png", "c/3.png"]


def test_very_many_ways_to_one_folder_come_to_an_end(folder_of):
    root = folder_of({f"{n}/{n}.png": b"" for n in range(8)})
    for n in range(8):
        for other in range(8):
            (root / f"{n}/to-{other}").symlink_to(root / str(other))
    found = uris(root, follow_links=True)
    assert {f"{n}/{n}.png" for n in range(8)} <= set(found)
    assert len(found) <= 8 + 8 * 8


def test_a_sync_takes_what_is_left_out_for_gone_without_being_forced(service, folder_of, picture):
    root = folder_of({"@eaDir.png": 1, "keep/a.png": 2, "old/b.png": 3, "old/c.png": 4})
    service.ingest(root)
    assert service.parts.images.count() == 4
    (root / ".iseignore").write_text("old/\n@*.png\n")
    job = service.ingest(root, sync=True)
    assert (job.result["delete"], job.result["skipped"]) == (3, {"excluded": 2})
    assert service.finds_itself(picture(2))
    assert service.parts.images.count() == 1
    (root / ".iseignore").unlink()
    assert service.ingest(root, sync=True).result["add"] == 3


def test_what_is_left_out_is_told_in_the_jobs_result(service, folder_of):
    root = folder_of({"a.png": 1, "b.gif": b"", "c.txt": b"", "@eaDir/d.png": b""})
    (root / "link").symlink_to(root)
    job = service.ingest(root, build=False, exclude=["*.gif"], follow_links=False)
    assert job.result["skipped"] == {"system": 1, "excluded": 1, "links": 1, "not_pictures": 1}
    answer = service.http.post("/v1/ingest", json={"source": str(root), "exclude": ["\\"]})
    assert answer.status_code == 422
