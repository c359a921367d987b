"""Writes answers as JSON, omitting values that JSON can't represent, so that one image can't fail
an answer.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import anyio.to_thread
import orjson
from pydantic import BaseModel

from shared.contracts.answer import Hit, SearchResponse
from shared.contracts.batch import BatchResponse
from shared.contracts.query import ImageInfo

_UNWRITTEN = "Its tags, uris and metadata are left out: they can't be written as JSON."


# Hits that are written in less time than a change of threads takes.
_SHORT = 20


class AnswerWriter:
    """`count`: hears of how many images of an answer something was left out."""

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count

    async def answer(self, answer: SearchResponse) -> bytes:
        """The JSON of the answer to a search; a long one is written in a thread."""
        if len(answer.hits) <= _SHORT:
            return self.search(answer)
        return await anyio.to_thread.run_sync(self.search, answer)

    async def answers(self, answer: BatchResponse) -> bytes:
        """The JSON of the answers to many searches, written in a thread."""
        return await anyio.to_thread.run_sync(self.batch, answer)

    def search(self, answer: SearchResponse) -> bytes:
        """The JSON of the answer to a search."""
        text = _written(answer)
        if text is None:
            answer = _without_unwritable(answer)
            text = answer.model_dump_json().encode()
        self.told(answer.hits)
        return text

    def batch(self, answer: BatchResponse) -> bytes:
        """The JSON of the answers to many searches."""
        text = _written(answer)
        if text is None:
            answers = [
                one.model_copy(update={"answer": one.answer and _without_unwritable(one.answer)})
                for one in answer.answers
            ]
            answer = answer.model_copy(update={"answers": answers})
            text = answer.model_dump_json().encode()
        self.told(hit for one in answer.answers if one.answer for hit in one.answer.hits)
        return text

    def told(self, images: Iterable[Hit | ImageInfo]) -> None:
        """Counts the images of an answer that have notes."""
        if number := sum(bool(image.notes) for image in images):
            self._count(number)


def _written(answer: SearchResponse | BatchResponse | Hit) -> bytes | None:
    """Return JSON, or None if it contains a value without a JSON form."""
    try:
        # What pydantic writes, in a third of the time.
        return orjson.dumps(answer, default=_fields)
    except TypeError:
        # It refuses some that pydantic writes, such as an integer of more than 64 bits.
        pass
    try:
        return answer.model_dump_json().encode()
    except (ValueError, RecursionError):
        return None


def _fields(model: object) -> dict[str, Any]:
    """Return the fields of a model that pydantic would write. Raises TypeError."""
    if not isinstance(model, BaseModel):
        raise TypeError(f"{type(model).__name__} has no form in JSON")
    fields = model.__dict__
    for name, is_left_out in _exclusions(type(model)):
        if is_left_out(fields[name]):
            fields = {key: value for key, value in fields.items() if key != name}
    return fields | model.__pydantic_extra__ if model.__pydantic_extra__ else fields


@cache
def _exclusions(kind: type[BaseModel]) -> list[tuple[str, Callable[[Any], bool]]]:
    """Return the fields that are left out of some answers, each with what decides it."""
    fields = kind.model_fields.items()
    return [(name, field.exclude_if) for name, field in fields if field.exclude_if is not None]


def _without_unwritable(answer: SearchResponse) -> SearchResponse:
    return answer.model_copy(update={"hits": _writable(answer.hits)})


def _writable(hits: Sequence[Hit]) -> list[Hit]:
    nothing: dict[str, Any] = {
        "tags": [],
        "uris": [],
        "uri": "",
        "metadata": {},
        "duplicates": None,
    }
    return [
        hit
        if _written(hit) is not None
        else hit.model_copy(update={**nothing, "notes": [*(hit.notes or []), _UNWRITTEN]})
        for hit in hits
    ]
