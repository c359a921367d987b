"""Where pictures come from: a folder, or a CSV or JSONL manifest."""

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any

from shared.contracts.indexer import TagsFrom
from shared.errors import Forbidden, InvalidInput

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif"}
    | {".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)
_MANIFEST_SUFFIXES = frozenset({".csv", ".jsonl", ".ndjson"})
_MAX_TAG = 200


@dataclass(frozen=True)
class SourceFile:
    """A file to take in. `uri`: its path within the source; `error`: why it can't be taken."""

    path: Path
    uri: str
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


class Unusable(Exception):
    """Why a file can't be taken in, in a sentence; `shown`: its uri as text that can be shown."""

    def __init__(self, file: SourceFile, reason: str, is_gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.shown = file.uri.encode(errors="backslashreplace").decode()
        self.is_gone = is_gone


def stat_of(file: SourceFile) -> os.stat_result:
    """What the system says of a file. Raises Unusable."""
    if file.error is not None:
        raise Unusable(file, file.error)
    try:
        file.uri.encode()
        stat = file.path.stat()
    except UnicodeEncodeError:
        raise Unusable(file, "The file's name is not UTF-8 text; rename the file.") from None
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise Unusable(file, f"The file can't be read: {_reason(error)}.", is_gone) from None
    if not S_ISREG(stat.st_mode):
        raise Unusable(file, "It is not a file.")
    return stat


class Source(list[SourceFile]):
    """The files of a source. `skipped`: how many there are beside them, not pictures by name."""

    skipped = 0


def check_allowed(source: Path, roots: Sequence[Path] | None) -> None:
    """Raises Forbidden unless a path, links resolved, lies under a root. None: all are allowed."""
    if roots is None:
        return
    resolved = source.resolve()
    if not any(resolved.is_relative_to(root.resolve()) for root in roots):
        raise Forbidden(
            f"{source} is not under a folder that may be ingested. Name one in ISE_INGEST_ROOTS."
        )


def read_source(
    source: Path, tags_from: TagsFrom | None, roots: Sequence[Path] | None = None
) -> Source:
    """The files of a source, in a stable order.

    Raises InvalidInput when the source can't be read as what it is said to be, Forbidden when it
    or a file that it names may not be read.
    """
    check_allowed(source, roots)
    if not source.exists():
        raise InvalidInput(
            f"{source} doesn't exist on the indexer's machine (in its container, where it has one)."
        )
    if source.is_dir():
        if tags_from is TagsFrom.MANIFEST:
            raise InvalidInput(f"{source} is a folder; give the manifest's file instead.")
        found = _folder(source, with_tags=tags_from is not TagsFrom.NONE)
    else:
        if tags_from is TagsFrom.FOLDER:
            raise InvalidInput(f"{source} is a file; tags by folder need a folder.")
        found = Source(_manifest(source, with_tags=tags_from is not TagsFrom.NONE))
    if roots is not None:
        for file in found:
            check_allowed(file.path, roots)
    return found


def nothing_in(source: Path) -> InvalidInput:
    """What to raise where a source has no pictures."""
    wanted = ", ".join(sorted(IMAGE_SUFFIXES))
    looked = f"looked for {wanted}" if source.is_dir() else "the manifest names none"
    return InvalidInput(f"There are no pictures in {source} ({looked}).")


def _folder(source: Path, with_tags: bool) -> Source:
    found = Source()
    # Links to folders are not followed, so that a loop can't catch us.
    pending = [source]
    while pending:
        folder = pending.pop(0)
        folders: list[Path] = []
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            if folder == source:
                raise InvalidInput(f"{source} can't be read: {_reason(error)}.") from None
            found.append(_unreadable(source, folder, "folder", error))
            continue
        for path in children:
            if path.name.startswith("."):
                continue
            try:
                if path.is_dir():
                    folders += [] if path.is_symlink() else [path]
                elif path.is_file():
                    _add(found, source, path, with_tags)
            except OSError as error:
                found.append(_unreadable(source, path, "file", error))
        pending[:0] = folders
    return found


def _add(found: Source, source: Path, path: Path, with_tags: bool) -> None:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        found.skipped += 1
        return
    uri = path.relative_to(source).as_posix()
    try:
        tags = parse_tags([path.parent.name] if path.parent != source and with_tags else [])
    except InvalidInput as error:
        found.append(SourceFile(path, uri, error=error.detail))
    else:
        found.append(SourceFile(path, uri, tags))


def _unreadable(source: Path, path: Path, kind: str, error: OSError) -> SourceFile:
    uri = path.relative_to(source).as_posix()
    return SourceFile(path, uri, error=f"The {kind} can't be read: {_reason(error)}.")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _manifest(source: Path, with_tags: bool) -> Iterator[SourceFile]:
    if source.suffix.lower() not in _MANIFEST_SUFFIXES:
        raise InvalidInput(f"{source.name}: a manifest is a .csv or a .jsonl file.")
    try:
        text = source.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{source.name}, line {number}: this is not UTF-8 text.") from None
    rows = _csv_rows(text) if source.suffix.lower() == ".csv" else _jsonl_rows(text)
    for number, row in rows:
        fields = dict(row)
        given = fields.pop("path", None)
        if not isinstance(given, str) or not given.strip():
            raise InvalidInput(f"{source.name}, line {number}: there is no `path`.")
        tags = _tags(fields.pop("tags", None), f"{source.name}, line {number}")
        try:
            _check_text(given)
            checked_metadata(fields)
        except InvalidInput as error:
            raise InvalidInput(f"{source.name}, line {number}: {error.detail}") from None
        path = source.parent / given.strip()
        yield SourceFile(path, _uri(given.strip()), tags if with_tags else (), fields)


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


def _tags(given: Any, where: str) -> tuple[str, ...]:
    if given is None:
        return ()
    parts = re.split(r"[;,]", given) if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise InvalidInput(f"{where}: `tags` must be text or a list of texts.")
    try:
        return parse_tags(parts)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.detail}") from None


def parse_tags(parts: Sequence[str]) -> tuple[str, ...]:
    """Tags without blanks around them, each once. Raises InvalidInput for one that's too long."""
    found = dict.fromkeys(part.strip() for part in parts if part.strip())
    for tag in found:
        _check_text(tag)
        if len(tag) > _MAX_TAG:
            raise InvalidInput(f"A tag has at most {_MAX_TAG} characters; {tag[:30]!r}… has more.")
    return tuple(found)


def checked_metadata(given: dict[str, Any]) -> dict[str, Any]:
    """Metadata that can be kept and answered. Raises InvalidInput for NaN, and for half characters.

    Python's own JSON takes both; one such value would make every answer that has it fail.
    """
    try:
        _check_text(json.dumps(given, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"`metadata` can't be written as JSON: {error}.") from None
    return given


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{text[:60]!a} has half a character, a lone surrogate.") from None


def _uri(given: str) -> str:
    return Path(given).as_posix().lstrip("/")
