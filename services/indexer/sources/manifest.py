"""Lists of pictures: the rows of a CSV or JSONL manifest, or the lines of a text.

Read as spreadsheets and scripts write them, a line at a time; a row that can't be used fails alone.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from services.indexer.sources.annotations import check_text, checked_metadata, parse_tags
from services.indexer.sources.manifest_lines import LONG_LINE, Lines, LongLine, Records, decoded
from shared.core.errors import InvalidInput
from shared.objects.local_path import is_text

SUFFIXES = frozenset({".csv", ".jsonl", ".ndjson", ".txt"})
MOST_ROWS = 5_000_000
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEPARATOR = re.compile(r"\"?sep=([^\w\s\"]|\t)\"?[\r\n]*", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A picture as a manifest names it: by a path, relative or absolute, or by a URL.

    `error`: why the row can't be used. `raw_path`: the path's own bytes, where they aren't UTF-8.
    """

    number: int
    path: str | None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    raw_path: str | None = None


class _Fields(NamedTuple):
    """Fields of a row by the names of its columns; `error`: why it can't be read."""

    number: int
    named: list[tuple[str, Any]]
    error: str | None = None
    raw_path: str | None = None


def read_manifest(
    file: BinaryIO, name: str, check: Callable[[], None] = lambda: None
) -> Iterator[Row]:
    """Yield the rows of a manifest called `name`; `check` is called between rows and may raise.

    Raises InvalidInput with the position if the manifest as a whole is invalid.
    """
    text = decoded(file)
    lines = Lines(text, check)
    kind = name.lower().rpartition(".")[2]
    read = {"csv": _csv_rows, "txt": _text_rows}.get(kind, _jsonl_rows)
    try:
        for count, fields in enumerate(read(lines, name), 1):
            if count > MOST_ROWS:
                raise InvalidInput(f"{name} has over {MOST_ROWS:,} rows; split it.")
            yield _row(fields)
    finally:
        # The caller closes the file.
        text.detach()


def _row(fields: _Fields) -> Row:
    number, path, raw = fields.number, None, fields.raw_path
    try:
        said: dict[str, Any] = {}
        names: set[str] = set()
        for column, value in fields.named:
            key = _key(column)
            if key in names:
                raise InvalidInput(f"`{key[:40]}` is there twice.")
            names.add(key)
            said[key if key in _OWN else column.strip()] = value
        given = said.pop("path", None)
        if isinstance(given, str) and given.strip():
            check_text(given)
            if "\0" in given:
                raise InvalidInput("the path has a NUL character.")
            path = given.strip()
        if fields.error is not None:
            return Row(number, path, error=fields.error, raw_path=raw)
        if path is None:
            return Row(number, None, error="there is no `path`.")
        tags = _tags(said.pop("tags", None))
        return Row(number, path, tags, checked_metadata(said), raw_path=raw)
    except InvalidInput as error:
        return Row(number, path, error=error.detail, raw_path=raw)


_OWN = frozenset({"path", "tags"})


def _key(column: str) -> str:
    return column.strip().casefold()


def _as_text(given: str) -> str:
    """Return a text with those bytes that are not UTF-8 read as Windows' Western European."""
    if is_text(given):
        return given
    try:
        return given.encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeError:
        raise InvalidInput(
            "this is neither UTF-8, UTF-16 nor Windows-1252 text; save the manifest as UTF-8."
        ) from None


def _long(number: int) -> _Fields:
    return _Fields(number, [], LONG_LINE)


def _numbered(lines: Lines) -> Iterator[tuple[int, str] | _Fields]:
    while True:
        try:
            line = next(lines)
        except StopIteration:
            return
        except LongLine:
            yield _long(lines.number)
        else:
            yield lines.number, line


def _text_rows(lines: Lines, _: str) -> Iterator[_Fields]:
    for found in _numbered(lines):
        if isinstance(found, _Fields):
            yield found
            continue
        number, line = found
        if line.strip() and not line.startswith("#"):
            yield _of_cells(number, ["path"], [line.rstrip("\r\n")], "")


# --- CSV --------------------------------------------------------------------------------------


def _csv_rows(lines: Lines, name: str) -> Iterator[_Fields]:
    columns, delimiter = _header(lines, name)
    records = Records(lines, delimiter)
    while (record := records.next()) is not None:
        number, cells, error = record
        if error is not None:
            yield _Fields(number, [], error)
        elif any(cell.strip() for cell in cells):
            yield _of_cells(number, columns, cells, delimiter)


def _of_cells(number: int, columns: list[str], cells: list[str], delimiter: str) -> _Fields:
    """Return the contents of a row; empty cells are ignored."""
    named, raw, error = [], None, None
    for column, cell in zip(columns, cells, strict=False):
        if column and cell:
            try:
                named.append((column, _as_text(cell)))
            except InvalidInput as failure:
                error = failure.detail
            if _key(column) == "path" and not is_text(cell):
                raw = cell.strip()
    surplus = [
        cell
        for at, cell in enumerate(cells)
        if cell.strip() and (at >= len(columns) or not columns[at])
    ]
    if surplus:
        error = (
            f"it has {len(cells)} cells for {len([c for c in columns if c])} columns "
            f"({surplus[0][:40]!a} is in none); put quotes round a cell that has "
            f"{_DELIMITERS.get(delimiter, 'the delimiter')} in it."
        )
    return _Fields(number, named, error, raw)


def _header(lines: Lines, name: str) -> tuple[list[str], str]:
    """Return the names of the columns and the separator. Raises InvalidInput."""
    try:
        first = next((line for line in lines if line.strip()), "")
        given = _SEPARATOR.fullmatch(first)
        if given:
            first = next((line for line in lines if line.strip()), "")
        start = lines.number
        lines.give_back([first] if first else [])
        found: dict[str, list[str]] = {}
        error = ""
        for delimiter in [given[1]] if given else _DELIMITERS:
            records = Records(lines, delimiter)
            record = records.next()
            # The next attempt begins with the same lines.
            if record is not None and record.error is None:
                lines.give_back(records.read)
                found[delimiter] = [_as_text(cell).strip() for cell in record.cells]
            elif record is not None:
                lines.give_back([first])
                error = record.error or ""
        right = [d for d, columns in found.items() if "path" in map(_key, columns)]
        if not right:
            raise _no_path(found, error)
        Records(lines, right[0]).next()
        keys = [_key(column) for column in found[right[0]]]
        twice = [key for key in dict.fromkeys(keys) if key and keys.count(key) > 1]
        if twice:
            raise InvalidInput(f"the column `{twice[0][:40]}` is there twice; name each once.")
    except LongLine:
        raise InvalidInput(f"{name}, line {lines.number}: {LONG_LINE}") from None
    except InvalidInput as refused:
        raise InvalidInput(f"{name}, line {max(start, 1)}: {refused.detail}") from None
    return found[right[0]], right[0]


def _no_path(columns: dict[str, list[str]], error: str) -> InvalidInput:
    wanted = "the manifest's first line must name its columns, `path` among them"
    if not columns:
        return InvalidInput(f"{wanted}; {error or 'it is empty.'}")
    best = max(columns, key=lambda delimiter: len(columns[delimiter]))
    named = ", ".join(f"`{column[:40]}`" for column in columns[best][:8])
    known = ", ".join(_DELIMITERS.values())
    return InvalidInput(
        f"{wanted}. Read with {_DELIMITERS.get(best, repr(best))} between them, it names "
        f"{named or 'none'}. Separate columns by one of: {known}."
    )


# --- JSONL ------------------------------------------------------------------------------------


def _jsonl_rows(lines: Lines, _: str) -> Iterator[_Fields]:
    for found in _numbered(lines):
        if isinstance(found, _Fields):
            yield found
            continue
        number, line = found
        try:
            text = _as_text(line.removeprefix("\ufeff"))
            if not text.strip():
                continue
            row = json.loads(text, object_pairs_hook=_once)
        except InvalidInput as error:
            yield _Fields(number, [], error.detail)
        except json.JSONDecodeError as error:
            why = f"{error.msg}, at character {error.colno}"
            yield _Fields(number, [], f"this is not JSON: {why}.")
        except (ValueError, RecursionError) as error:
            yield _Fields(number, [], f"this is not JSON: {error}.")
        else:
            if isinstance(row, dict):
                yield _Fields(number, list(row.items()))
            else:
                yield _Fields(number, [], "this is not a JSON object.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidInput(f"{twice[:40]!a} is there twice.")
    return found


def _tags(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    parts = re.split(r"[;,]", given) if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise InvalidInput("`tags` must be text or a list of texts.")
    return parse_tags(parts)
