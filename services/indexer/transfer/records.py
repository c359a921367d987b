"""Records beside vectors: an id for each row, and its annotations."""

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from pydantic import ValidationError

from services.indexer.sources.annotations import parse_tags
from shared.contracts.features import ExportedRecord, Record
from shared.core.errors import InvalidInput
from shared.core.validation import sentences

_SUFFIXES = (".jsonl", ".ndjson")
# A line is read into memory as a whole, and no valid one is longer.
_LONGEST_LINE = 16 * 2**20

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class BadRecord:
    """A line that can't be taken in. `place`: the file and the line; `reason`: a sentence."""

    place: str
    reason: str

    def error(self) -> InvalidInput:
        return InvalidInput(f"{self.place}: {self.reason}")


def read_ids(file: BinaryIO, name: str) -> Iterator[ExportedRecord | BadRecord]:
    """A record for each line: JSONL by the file's name, else the lines are ids as they stand."""
    if name.lower().endswith(_SUFFIXES):
        for record in read_records(file, name, Record):
            if isinstance(record, BadRecord):
                yield record
            else:
                yield ExportedRecord.model_construct(**dict(record), files=[])
        return
    for place, line in _lines(file, name):
        try:
            record = Record(id=line.decode())
        except UnicodeDecodeError:
            yield BadRecord(place, "this is not UTF-8 text.")
        except ValidationError as error:
            yield BadRecord(place, _reason(error))
        else:
            yield ExportedRecord(id=record.id)


def numbered(rows: int) -> Iterator[ExportedRecord]:
    """Rows that have no ids go by their numbers."""
    return (ExportedRecord(id=str(row)) for row in range(rows))


def read_records(file: BinaryIO, name: str, kind: type[R]) -> Iterator[R | BadRecord]:
    """Records of a JSONL file, one a line."""
    for place, line in _lines(file, name):
        try:
            yield checked(_parsed(line, kind))
        except ValidationError as error:
            yield BadRecord(place, _reason(error))
        except InvalidInput as error:
            yield BadRecord(place, error.detail)


def _parsed(line: bytes, kind: type[R]) -> R:
    """Raises ValidationError, and InvalidInput for what even Python's own JSON can't read."""
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            raise
        # pydantic's parser is stricter than Python's, which reads requests; parse such lines with
        # Python's, so that errors name a field and are the same for all inputs.
        return kind.model_validate(_object(line, error))


def _object(line: bytes, error: ValidationError) -> Any:
    try:
        return json.loads(line)
    except RecursionError:
        raise InvalidInput("its JSON is nested too deeply.") from None
    except ValueError:
        raise error from None


def checked(record: R) -> R:
    """A record with its tags as they are kept."""
    return record.model_copy(update={"tags": list(parse_tags(record.tags))})


def check_distinct(records: Iterable[Record]) -> None:
    """Raises InvalidInput where an id comes twice."""
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise InvalidInput(f"The id {record.id!r} occurs twice; give each vector its own id.")
        seen.add(record.id)


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[str, bytes]]:
    """Each line, and its place for an error. Raises InvalidInput for one that no memory holds."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        place = f"{name}, line {number}"
        if len(line) == _LONGEST_LINE:
            raise InvalidInput(f"{place}: the line is over 16 MiB.")
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        yield place, line.rstrip(b"\r\n")


def _reason(error: ValidationError) -> str:
    # Errors have the line as their place, as requests have `body`.
    found = error.errors(include_url=False, include_input=False)
    errors = [{**one, "loc": ("line", *one["loc"])} for one in found]
    return " ".join(one["message"] for one in sentences(errors, ExportedRecord)[:3])
