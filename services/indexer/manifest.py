"""Lists of pictures: the rows of a CSV or JSONL manifest, or the lines of a text."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from services.indexer.said import check_text, checked_metadata, parse_tags
from shared.errors import InvalidInput

SUFFIXES = frozenset({".csv", ".jsonl", ".ndjson", ".txt"})


class Row(NamedTuple):
    """A picture as a manifest names it: by a path, relative or absolute, or by a URL."""

    number: int
    path: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]


def read_manifest(data: bytes, name: str) -> Iterator[Row]:
    """The rows of a manifest called `name`. Raises InvalidInput, which says where."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name}, line {number}: this is not UTF-8 text.") from None
    kind = name.lower().rpartition(".")[2]
    rows = {"csv": _csv_rows, "txt": _lines}.get(kind, _jsonl_rows)(text)
    for number, row in rows:
        fields = dict(row)
        given = fields.pop("path", None)
        if not isinstance(given, str) or not given.strip():
            raise InvalidInput(f"{name}, line {number}: there is no `path`.")
        try:
            tags = _tags(fields.pop("tags", None))
            check_text(given)
            checked_metadata(fields)
        except InvalidInput as error:
            raise InvalidInput(f"{name}, line {number}: {error.detail}") from None
        yield Row(number, given.strip(), tags, fields)


def _lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, {"path": line}


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        if "path" not in (reader.fieldnames or ()):
            raise InvalidInput(
                "The manifest's first line must name its columns, `path` among them."
            )
        for row in reader:
            yield reader.line_num, {k: v for k, v in row.items() if k is not None and v}
    except csv.Error as error:
        # `reader` itself counts only what it could read; the one inside knows where it broke off.
        raise InvalidInput(f"The manifest's line {reader.reader.line_num}: {error}") from None


def _jsonl_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # Not `splitlines`: it parts at characters that JSON text may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            # Its own text counts lines within this one.
            why = f"{error.msg}, at character {error.colno}"
            raise InvalidInput(f"The manifest's line {number} is not JSON: {why}.") from None
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"The manifest's line {number} is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise InvalidInput(f"The manifest's line {number} is not a JSON object.")
        yield number, row


def _tags(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    parts = re.split(r"[;,]", given) if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise InvalidInput("`tags` must be text or a list of texts.")
    return parse_tags(parts)
