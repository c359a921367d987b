"""Where pictures come from."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.indexer.sources.annotations import parse_tags
from services.indexer.sources.source import read_source
from shared.contracts.indexer import TagsFrom
from shared.core.errors import Forbidden, InvalidInput


def uris(source: Path, **options) -> list[str]:
    return [file.uri for file in read_source(source, options.get("tags_from"))]


def manifest(folder: Path, text: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- folders ----------------------------------------------------------------------------------


def test_a_folder_is_read_in_depth_and_in_a_stable_order(folder_of):
    root = folder_of({"b.png": b"", "a/z.JPG": b"", "a/deep/x.webp": b"", "A.jpeg": b""})
    assert uris(root) == ["A.jpeg", "b.png", "a/z.JPG", "a/deep/x.webp"]


def test_only_pictures_that_show_are_taken(folder_of):
    root = folder_of(
        {"a.png": b"", ".hidden.png": b"", ".git/b.png": b"", "notes.txt": b"", "no_suffix": b""}
    )
    assert uris(root) == ["a.png"]


def test_the_parent_folder_is_the_tag_and_root_files_have_none(folder_of):
    root = folder_of({"top.png": b"", "dog/a.png": b"", "animal/Big Cat/b.png": b""})
    found = {file.uri: list(file.tags) for file in read_source(root, TagsFrom.FOLDER)}
    assert found == {"top.png": [], "dog/a.png": ["dog"], "animal/Big Cat/b.png": ["Big Cat"]}
    assert all(not file.tags for file in read_source(root, TagsFrom.NONE))


def test_links_to_files_are_followed_and_links_to_folders_are_not(folder_of):
    root = folder_of({"real/a.png": b""})
    (root / "loop").symlink_to(root)
    (root / "link.png").symlink_to(root / "real" / "a.png")
    (root / "broken.png").symlink_to(root / "nowhere.png")
    assert uris(root) == ["link.png", "real/a.png"]


def test_a_source_may_itself_be_a_link(folder_of, tmp_path):
    (tmp_path / "link").symlink_to(folder_of({"dog/a.png": b""}))
    assert uris(tmp_path / "link") == ["dog/a.png"]


def test_what_cannot_be_looked_at_is_told_and_the_others_are_taken(folder_of, unreadable):
    root = folder_of({"a.png": b"", "b.png": b"", "cat/c.png": b"", "dog/d.png": b""})
    unreadable(root / "a.png")
    unreadable(root / "cat")
    assert [(file.uri, file.error) for file in read_source(root, None)] == [
        ("a.png", "The file can't be read: Permission denied."),
        ("b.png", None),
        ("cat", "The folder can't be read: Permission denied."),
        ("dog/d.png", None),
    ]
    unreadable(root)
    with pytest.raises(InvalidInput, match="source can't be read: Permission denied"):
        read_source(root, None)


def test_a_folder_of_blanks_is_no_tag_and_one_too_long_is_cut_and_told(folder_of):
    root = folder_of({"  /a.png": b"", f"{'x' * 201}/b.png": b"", f"{'y' * 200}/c.png": b""})
    found = read_source(root, None)
    blank, long, fits = found
    assert (blank.tags, blank.error) == ((), None)
    assert (long.tags, long.error) == (("x" * 200,), None)
    assert (fits.tags, fits.error) == (("y" * 200,), None)
    [note] = found.notes
    assert "over 200 characters" in note
    assert not read_source(root, TagsFrom.NONE).notes


def test_files_that_are_no_pictures_by_name_are_counted(folder_of):
    root = folder_of({"a.png": b"", "b.txt": b"", "x/c": b"", ".d.txt": b"", ".e/f.txt": b""})
    assert read_source(root, None).skipped == {"not_pictures": 2, "hidden": 2}


# --- manifests --------------------------------------------------------------------------------


def test_a_csv_manifest_gives_paths_tags_and_metadata(tmp_path):
    text = '\ufeffpath,tags,title,year\r\nsub/a.jpg,"dog, big;brown","A dog, running",1999\r\n'
    [file] = read_source(manifest(tmp_path, text), None)
    assert file.path == str(tmp_path / "sub/a.jpg")
    assert file.uri == "sub/a.jpg"
    assert file.tags == ("dog", "big", "brown")
    assert file.metadata == {"title": "A dog, running", "year": "1999"}


def test_paths_are_absolute_or_relative_to_the_manifest(tmp_path):
    text = f"path\n{tmp_path}/x/a.jpg\n./b.jpg\n../c.jpg\n"
    files = read_source(manifest(tmp_path, text), None)
    assert [Path(f.path).resolve() for f in files] == [
        tmp_path / "x/a.jpg",
        tmp_path / "b.jpg",
        tmp_path.parent / "c.jpg",
    ]
    assert files[0].uri == f"{tmp_path}/x/a.jpg".lstrip("/")
    assert files[1].uri == "b.jpg"


def test_a_jsonl_manifest_keeps_types_and_skips_blank_lines(tmp_path):
    lines = [{"path": "a.jpg", "tags": ["New York", "dog"], "year": 1999}, {"path": "b.jpg"}]
    text = "\ufeff" + "\r\n\r\n".join(json.dumps(line) for line in lines) + "\r\n"
    first, second = read_source(manifest(tmp_path, text, "list.jsonl"), TagsFrom.MANIFEST)
    assert first.tags == ("New York", "dog")
    assert first.metadata == {"year": 1999}
    assert (second.tags, second.metadata) == ((), {})


def test_tags_can_be_left_out(tmp_path):
    [file] = read_source(manifest(tmp_path, "path,tags\na.jpg,dog\n"), TagsFrom.NONE)
    assert file.tags == ()
    assert file.metadata == {}


@given(title=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_line_of_jsonl_may_hold_any_text(tmp_path_factory, title):
    line = json.dumps({"path": "a.jpg", "title": title}, ensure_ascii=False)
    source = manifest(tmp_path_factory.mktemp("m"), line + "\n", "list.jsonl")
    [file] = read_source(source, None)
    assert file.metadata == {"title": title}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("l.csv", "file,tags\na.jpg,dog\n", "line 1: .*`path` among them.*`file`, `tags`"),
        ("l.csv", "", "`path` among them"),
        ("l.csv", '"pa"th\na.jpg\n', "line 1"),
        ("l.csv", "path,Tags,tags\na.jpg,b,c\n", "line 1: the column `tags` is there twice"),
        ("l.xml", "a.jpg\n", "is a .csv, a .jsonl or a .txt file"),
    ],
)
def test_what_is_wrong_with_a_whole_manifest_is_said(tmp_path, name, text, says):
    with pytest.raises(InvalidInput, match=says):
        read_source(manifest(tmp_path, text, name), None)


@pytest.mark.parametrize(
    ("name", "bad", "number", "says"),
    [
        ("l.csv", ",dog", 3, "there is no `path`"),
        ("l.csv", '"b.jpg', 3, "not CSV: a quote is not closed"),
        ("l.csv", '"b.jpg"x,dog', 3, "not CSV"),
        ("l.csv", "b.jpg,cat,dog,bird", 3, "4 cells for 2 columns .*'dog' is in none"),
        ("l.csv", f"b.jpg,{'x' * 201}", 3, "at most 200"),
        ("l.csv", b"caf\x81.jpg,dog", 3, "neither UTF-8, UTF-16 nor Windows-1252"),
        ("l.csv", f"b.jpg,{'x' * 200_000}", 3, "over 131,072 characters"),
        ("l.csv", f"b.jpg,{'x' * 2**20}", 3, "over 1 million characters"),
        ("l.jsonl", "{path: 1}", 2, r"not JSON: Expecting property name .*, at character 2\.$"),
        ("l.jsonl", "[1]", 2, "not a JSON object"),
        ("l.jsonl", "[" * 100_000, 2, "not JSON"),
        ("l.jsonl", '{"tags": "dog"}', 2, "there is no `path`"),
        ("l.jsonl", '{"path": 7}', 2, "there is no `path`"),
        ("l.jsonl", '{"path": "b.jpg", "Path": "c.jpg"}', 2, "`path` is there twice"),
        ("l.jsonl", '{"path": "b.jpg", "x": 1, "x": 2}', 2, "'x' is there twice"),
        ("l.jsonl", '{"path": "b.jpg", "tags": 7}', 2, "`tags` must be"),
        ("l.jsonl", '{"path": "b.jpg", "tags": [7]}', 2, "`tags` must be"),
        ("l.jsonl", '{"path": "b.jpg", "tags": ["\\ud800"]}', 2, "surrogate"),
        ("l.jsonl", '{"path": "b\\ud800.jpg"}', 2, "surrogate"),
        ("l.jsonl", '{"path": "b\\u0000.jpg"}', 2, "NUL"),
        ("l.jsonl", '{"path": "b.jpg", "x": NaN}', 2, "finite"),
        ("l.jsonl", '{"path": "b.jpg", "x": "\\ud800"}', 2, "surrogate"),
        ("l.jsonl", '{"path": "b.jpg", "x": 1e999}', 2, "finite"),
        ("l.jsonl", b'{"path": "caf\x81.jpg"}', 2, "neither UTF-8"),
        ("l.txt", "https://user:geheim@host.example/b.jpg", 2, "user or a password"),
    ],
)
def test_a_row_that_cannot_be_used_fails_alone_and_its_line_is_named(
    tmp_path, name, bad, number, says
):
    good = {"l.csv": "path,tags\na.jpg,\n", "l.txt": "a.jpg\n", "l.jsonl": '{"path": "a.jpg"}\n'}
    after = {"l.csv": "z.jpg,last\n", "l.txt": "z.jpg\n", "l.jsonl": '{"path": "z.jpg"}\n'}
    row = bad if isinstance(bad, bytes) else bad.encode()
    text = good[name].encode() + row + b"\n" + after[name].encode()
    first, failed, last = read_source(manifest(tmp_path, text, name), None)
    assert [(one.uri, one.error) for one in (first, last)] == [("a.jpg", None), ("z.jpg", None)]
    assert failed.shown == f"{name}, line {number}"
    assert failed.error.startswith(f"Line {number}: ")
    assert re.search(says, failed.error)
    assert "geheim" not in failed.error


def test_a_source_must_be_what_it_is_said_to_be(tmp_path):
    with pytest.raises(InvalidInput, match="doesn't exist"):
        read_source(tmp_path / "nowhere", None)
    with pytest.raises(InvalidInput, match="is a folder"):
        read_source(tmp_path, TagsFrom.MANIFEST)
    with pytest.raises(InvalidInput, match="is a file"):
        read_source(manifest(tmp_path, "path\n"), TagsFrom.FOLDER)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    )
)
def test_tags_are_stripped_and_come_once(parts):
    found = parse_tags(parts)
    assert len(set(found)) == len(found)
    assert set(found) == {part.strip() for part in parts} - {""}


# --- roots ------------------------------------------------------------------------------------


def test_nothing_outside_the_roots_is_read(folder_of, tmp_path):
    inside = folder_of({"a.png": b""}, "inside")
    outside = folder_of({"b.png": b""}, "inside-not")
    roots = [tmp_path / "elsewhere", inside]
    assert [f.uri for f in read_source(inside, None, roots)] == ["a.png"]
    for source in (outside, inside / ".." / "inside-not", tmp_path):
        with pytest.raises(Forbidden, match="ISE_INGEST_ROOTS"):
            read_source(source, None, roots)
    with pytest.raises(Forbidden):
        read_source(inside, None, [])


def test_a_link_leads_to_nothing_outside_the_roots(folder_of):
    inside, outside = folder_of({"a.png": b""}, "inside"), folder_of({"b.png": b""}, "outside")
    (inside / "link.png").symlink_to(outside / "b.png")
    link, good = sorted(read_source(inside, None, [inside]), key=lambda one: one.error is None)
    assert (link.uri, good.uri, good.error) == ("link.png", "a.png", None)
    assert "link.png is not in an allowed folder" in link.error
    (inside / "way-out").symlink_to(outside)
    with pytest.raises(Forbidden, match="way-out"):
        read_source(inside / "way-out", None, [inside])


@pytest.mark.parametrize("path", ["../outside/b.png", "{outside}/b.png"])
def test_a_manifest_names_nothing_outside_the_roots(folder_of, path):
    inside, outside = folder_of({}, "inside"), folder_of({"b.png": b""}, "outside")
    source = manifest(inside, f"path\n{path.format(outside=outside)}\n")
    [file] = read_source(source, None, [inside])
    assert "Line 2: " in file.error
    assert "not in an allowed folder" in file.error
