"""Searches of a batch by stored or given vectors: some at a time share a look at the index.

A look is mostly compiled code, which needs no interpreter: while some look, those before them are
answered.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import anyio.to_thread

from services.query.answering.response import answered, response_for
from services.query.answering.searches import Resolved, StoredSearch
from services.query.answering.targets import Neighbours
from services.query.search.cursor import Pages
from services.query.search.result import FirstLook, PreparedSearch
from services.query.search.searcher import Searcher
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import SearchResponse
from shared.contracts.batch import BatchAnswer
from shared.contracts.problem import Problem
from shared.core import problem
from shared.core.errors import ISEError

T = TypeVar("T")

_TOGETHER = 25
"""Searches that share a look. Few, as threads and processors are those of people's searches, too.
"""


async def answer_together(
    searches: Sequence[StoredSearch], searcher: Callable[[], Searcher]
) -> list[BatchAnswer]:
    """Answer each search as if it came alone. searcher: returns the collection as of now."""
    answers: list[BatchAnswer] = []
    former: _SharedLook | None = None
    for start in range(0, len(searches), _TOGETHER):
        some = searches[start : start + _TOGETHER]
        here = await _in_thread(partial(_SharedLook, some, searcher))
        if former is None:
            await _in_thread(here.look)
        else:
            _, told = await asyncio.gather(_in_thread(here.look), _in_thread(former.answers))
            answers += told
        former = here
    return answers if former is None else answers + await _in_thread(former.answers)


class _Looking(NamedTuple):
    """A search that begins with a look. place: where it is among the searches."""

    place: int
    work: PreparedSearch
    pages: Pages
    watch: Stopwatch


class _SharedLook:
    """Some searches, and what they find by one look; `look` comes before `answers`."""

    def __init__(self, searches: Sequence[StoredSearch], searcher: Callable[[], Searcher]) -> None:
        self._searches = searches
        self._searcher = searcher()
        self._told: dict[int, BatchAnswer] = {}
        self._looking: list[_Looking] = []
        self._found: Sequence[FirstLook | None] = []
        for place, search in enumerate(searches):
            try:
                self._prepare(place, search)
            except ISEError as error:
                self._told[place] = problem_answer(error)

    def _prepare(self, place: int, search: StoredSearch) -> None:
        watch = Stopwatch()
        pages = Pages(search.key, search.options)
        target = search.resolve(self._searcher, pages.after)
        if isinstance(target, Neighbours) and search.options.sort.images is None:
            work = self._searcher.prepare(target.space, target.query, target.options, watch)
            self._looking.append(_Looking(place, work, pages, watch))
        else:
            resolved = Resolved(self._searcher, target)
            self._told[place] = _answer(answered(resolved, search.options, pages, watch))

    def look(self) -> None:
        """Look at the index for all of them."""
        try:
            self._found = self._searcher.look([one.work for one in self._looking])
        except ISEError:
            # Each looks by itself then, and what is wrong is told of those that it concerns.
            self._found = [None] * len(self._looking)

    def answers(self) -> list[BatchAnswer]:
        """Return the answer of each search, in their order."""
        for one, found in zip(self._looking, self._found, strict=True):
            options = self._searches[one.place].options
            try:
                result = self._searcher.finish(one.work, one.watch, found)
                answer = response_for(self._searcher, result, options, one.watch, one.pages)
                self._told[one.place] = _answer(answer)
            except ISEError as error:
                self._told[one.place] = problem_answer(error)
        return [self._told[place] for place in range(len(self._searches))]


def problem_answer(error: ISEError) -> BatchAnswer:
    """Return what a batch tells of a search that failed."""
    return BatchAnswer(problem=Problem.model_validate(problem.body_of(error)))


def _answer(answer: SearchResponse) -> BatchAnswer:
    return BatchAnswer.model_construct(answer=answer, problem=None)


async def _in_thread(work: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(work)
