"""Manifests as spreadsheets and scripts write them."""

import json
import os
from pathlib import Path

import pytest

from services.indexer.sources.manifest import Row, read_manifest
from services.indexer.sources.source import Unusable, read_source, stamp_of
from shared.core.errors import Forbidden, InvalidInput


def rows(tmp_path: Path, text: str | bytes, name: str = "list.csv") -> list[Row]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with path.open("rb") as file:
        return list(read_manifest(file, name))


def said(found: list[Row]) -> list[tuple[str | None, tuple[str, ...], dict]]:
    assert [row.error for row in found] == [None] * len(found)
    return [(row.path, row.tags, dict(row.metadata)) for row in found]


WANTED = [("a.jpg", ("dog", "big"), {"Year": "1999"}), ("b c.jpg", ("Größe",), {"Year": "2001"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "sep=X", "\n\n"])
def test_what_separates_columns_and_lines_is_recognised(tmp_path, delimiter, end, before):
    tags = '"dog;big"' if delimiter != "," else '"dog,big"'
    lines = [f"path{delimiter} Tags {delimiter}Year", f"a.jpg{delimiter}{tags}{delimiter}1999", ""]
    lines += [delimiter * 2, f"b c.jpg{delimiter} Größe{delimiter}2001", ""]
    first = [before.replace("X", delimiter)] if before else []
    assert said(rows(tmp_path, end.join([*first, *lines]))) == WANTED


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_what_spreadsheets_save_as_is_read(tmp_path, encoding):
    text = "Path;TAGS;Year\r\na.jpg;dog,big;1999\r\nb c.jpg;Größe;2001\r\n"
    assert said(rows(tmp_path, text.encode(encoding))) == WANTED
    line = json.dumps({"path": "b c.jpg", "tags": "Größe", "Year": "2001"}, ensure_ascii=False)
    assert said(rows(tmp_path, line.encode(encoding), "l.jsonl")) == WANTED[1:]
    assert said(rows(tmp_path, "Größe.jpg\r\n".encode(encoding), "l.txt"))[0][0] == "Größe.jpg"


def test_headers_are_trimmed_and_of_any_case(tmp_path):
    text = "path, tags , year\na.jpg, dog, 1999\n"
    assert said(rows(tmp_path, text)) == [("a.jpg", ("dog",), {"year": "1999"})]
    line = '{" Path ": "a.jpg", "TAGS": ["dog"], "year": 1999}'
    assert said(rows(tmp_path, line, "l.jsonl")) == [("a.jpg", ("dog",), {"year": 1999})]


def test_a_quoted_cell_may_have_lines_quotes_and_separators(tmp_path):
    text = 'path,tags,note\n"a,b.jpg",dog,"one\r\ntwo; ""three"""\nc.jpg,"x\ny",\n'
    found = rows(tmp_path, text)
    assert said(found)[0] == ("a,b.jpg", ("dog",), {"note": 'one\r\ntwo; "three"'})
    assert [row.number for row in found] == [2, 4]


def test_columns_without_a_name_may_be_empty(tmp_path):
    text = "path,tags,,\na.jpg,dog,,\nb.jpg,cat,,more\n"
    good, bad = rows(tmp_path, text)
    assert (good.tags, good.error) == (("dog",), None)
    assert "'more' is in none" in bad.error


@pytest.mark.parametrize("header", ["path,tags,tags", "path,Path", "a, b ,path,B"])
def test_a_column_that_is_there_twice_is_an_error_that_names_the_line(tmp_path, header):
    with pytest.raises(InvalidInput, match=r"list\.csv, line 2: the column `.*` is there twice"):
        rows(tmp_path, f"\n{header}\nx,y,z\n")


def test_without_a_path_the_separator_and_the_columns_are_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"line 1: .*with semicolons.*`File`, `Tags`") as refused:
        rows(tmp_path, "File;Tags\na.jpg;dog\n")
    assert "commas, semicolons, tabs, bars" in refused.value.detail


def test_one_quote_too_many_costs_one_row(tmp_path):
    lines = [f"{n}.jpg,dog" for n in range(50)]
    lines[20] = '20.jpg,"dog'
    found = rows(tmp_path, "path,tags\n" + "\n".join(lines) + "\n")
    assert [row.number for row in found if row.error] == [22]
    assert [row.path for row in found if not row.error] == [
        f"{n}.jpg" for n in range(50) if n != 20
    ]


def test_a_line_without_end_is_not_kept_in_memory(tmp_path):
    text = b"path\na.jpg\n" + b"x" * 3_000_000 + b"\nb.jpg\n"
    first, long, last = rows(tmp_path, text)
    assert (first.path, last.path) == ("a.jpg", "b.jpg")
    assert (long.number, "over 1 million characters" in long.error) == (3, True)


def test_a_path_that_is_not_utf8_is_the_file_of_those_bytes(tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    Path(odd).write_bytes(b"odd")
    for name in ("l.csv", "l.txt"):
        header = b"path\n" if name == "l.csv" else b""
        (tmp_path / name).write_bytes(header + b"caf\xe9.jpg\ngr\xf6n.jpg\n")
        there, other = read_source(tmp_path / name, None)
        assert (there.file.read(9), there.uri) == (b"odd", "caf%E9.jpg")
        assert (other.path, other.uri) == (f"{tmp_path}/grön.jpg", "grön.jpg")


def test_a_row_that_cannot_be_read_takes_nothing_out_of_the_collection(service, folder_of, picture):
    root = folder_of({"a.png": 1, "b.png": 2})
    (root / "l.jsonl").write_text('{"path": "a.png", "tags": ["x"]}\n{"path": "b.png"}\n')
    service.ingest(root / "l.jsonl", sync=True)
    (root / "l.jsonl").write_text('{"path": "a.png", "tags": 7}\n{"path": "b.png"\n')
    job = service.ingest(root / "l.jsonl", sync=True)
    assert set(service.reasons(job)) == {"l.jsonl, line 1", "l.jsonl, line 2"}
    assert job.result["delete"] == 0
    assert service.finds_itself(picture(1))
    assert service.finds_itself(picture(2))
    (root / "l.jsonl").write_text('{"path": "a.png"}\n')
    assert service.ingest(root / "l.jsonl", sync=True).result["delete"] == 1


def test_a_row_whose_path_no_file_can_have_fails_alone(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "l.txt").write_bytes(b"a.jpg\n" + b"\xe9" * 300 + b".jpg\n")
    good, bad = read_source(tmp_path / "l.txt", None)
    assert good.file.read(1) == b"a"
    with pytest.raises(Unusable):
        stamp_of(bad)


def test_a_row_that_is_refused_still_names_its_file(tmp_path):
    """Else a sync would take its image out, as one that is no longer named."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    named = [str(outside / "a.png"), "s3://bucket/a.png", f"zip://a.png::{outside}/a.zip"]
    (inside / "l.txt").write_text("\n".join(named))
    found = read_source(inside / "l.txt", None, [inside])
    assert [file.path for file in found] == named
    assert found.is_whole
    for file in found:
        assert "ISE_INGEST_ROOTS" in file.error
        with pytest.raises(Forbidden):
            file.file.read(1)
