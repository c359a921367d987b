"""Writes answers as JSON, omitting values that JSON can't represent, so that one image can't fail
an answer.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import anyio.to_thread

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

    async def answer(self, answer: SearchResponse) -> str:
        """The JSON of the answer to a search; a long one is written in a thread."""
        if len(answer.hits) <= _SHORT:
            return self.search(answer)
        return await anyio.to_thread.run_sync(self.search, answer)

    async def answers(self, answer: BatchResponse) -> str:
        """The JSON of the answers to many searches, written in a thread."""
        return await anyio.to_thread.run_sync(self.batch, answer)

    def search(self, answer: SearchResponse) -> str:
        """The JSON of the answer to a search."""
        text = self._written(answer)
        if text is None:
            answer = _without_unwritable(answer)
            text = answer.model_dump_json()
        self.told(answer.hits)
        return text

    def batch(self, answer: BatchResponse) -> str:
        """The JSON of the answers to many searches."""
        text = self._written(answer)
        if text is None:
            answers = [
                one.model_copy(update={"answer": one.answer and _without_unwritable(one.answer)})
                for one in answer.answers
            ]
            answer = answer.model_copy(update={"answers": answers})
            text = answer.model_dump_json()
        self.told(hit for one in answer.answers if one.answer for hit in one.answer.hits)
        return text

    def told(self, images: Iterable[Hit | ImageInfo]) -> None:
        """Counts the images of an answer that have notes."""
        if number := sum(bool(image.notes) for image in images):
            self._count(number)

    @staticmethod
    def _written(answer: SearchResponse | BatchResponse | Hit) -> str | None:
        """Return JSON, or None if it contains a value without a JSON form."""
        try:
            return answer.model_dump_json()
        except (ValueError, RecursionError):
            return None


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
        if AnswerWriter._written(hit) is not None
        else hit.model_copy(update={**nothing, "notes": [*(hit.notes or []), _UNWRITTEN]})
        for hit in hits
    ]
