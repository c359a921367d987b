"""What comes beside vectors: an id for each row, and what is said of it."""

import codecs
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from services.indexer.said import checked_metadata, parse_tags
from shared.contracts.features import ExportedRecord, Record
from shared.errors import InvalidInput
from shared.validation import sentences

_SUFFIXES = (".jsonl", ".ndjson")
# A line is in memory whole; nobody means a longer one.
_LONGEST_LINE = 16 * 2**20

R = TypeVar("R", bound=Record)


def read_ids(file: BinaryIO, name: str) -> Iterator[ExportedRecord]:
    """A record for each line: JSONL by the file's name, else the lines are ids as they stand.

    Raises InvalidInput, which names the line.
    """
    if name.lower().endswith(_SUFFIXES):
        for record in read_records(file, name, Record):
            yield ExportedRecord.model_construct(**dict(record), files=[])
        return
    for number, line in _lines(file, name):
        try:
            record = Record(id=line.decode())
        except UnicodeDecodeError:
            raise InvalidInput(f"{name}, line {number}: this is not UTF-8 text.") from None
        except ValidationError as error:
            raise _refusal(name, number, error) from None
        yield ExportedRecord(id=record.id)


def numbered(rows: int) -> Iterator[ExportedRecord]:
    """Rows that have no ids go by their numbers."""
    return (ExportedRecord(id=str(row)) for row in range(rows))


def read_records(file: BinaryIO, name: str, kind: type[R]) -> Iterator[R]:
    """Records of a JSONL file. Raises InvalidInput, which names the line."""
    for number, line in _lines(file, name):
        try:
            yield checked(kind.model_validate_json(line))
        except ValidationError as error:
            raise _refusal(name, number, error) from None
        except InvalidInput as error:
            raise InvalidInput(f"{name}, line {number}: {error.detail}") from None


def checked(record: R) -> R:
    """A record with its tags as they are kept. Raises InvalidInput."""
    tags = list(parse_tags(record.tags))
    return record.model_copy(update={"tags": tags, "metadata": checked_metadata(record.metadata)})


def check_distinct(records: Iterable[Record]) -> None:
    """Raises InvalidInput where an id comes twice."""
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise InvalidInput(
                f"The id {record.id!r} comes twice; each vector has an id of its own."
            )
        seen.add(record.id)


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise InvalidInput(f"{name}, line {number}: the line is over 16 MiB.")
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        yield number, line.rstrip(b"\r\n")


def _refusal(name: str, number: int, error: ValidationError) -> InvalidInput:
    # Each has a place of its own before the fields, as in a request: the line.
    errors = [{**one, "loc": ("line", *one["loc"])} for one in error.errors()]
    told = " ".join(one["message"] for one in sentences(errors, ExportedRecord)[:3])
    return InvalidInput(f"{name}, line {number}: {told}")
