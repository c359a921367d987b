"""Searches of a batch by stored or given vectors: many at a time share a look at the index."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

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

_TOGETHER = 100
"""Searches that share a look: some 30 ms of a thread, and of all processors."""


async def answer_together(
    searches: Sequence[StoredSearch], searcher: Callable[[], Searcher]
) -> list[BatchAnswer]:
    """Answer each search as if it came alone. searcher: returns the collection as of now."""
    answers: list[BatchAnswer] = []
    # Some at a time: threads and processors are those of people's searches, too.
    for start in range(0, len(searches), _TOGETHER):
        some = searches[start : start + _TOGETHER]
        answers += await anyio.to_thread.run_sync(partial(_answers, some, searcher))
    return answers


def _answers(
    searches: Sequence[StoredSearch], searcher: Callable[[], Searcher]
) -> list[BatchAnswer]:
    together = _Together(searches, searcher())
    return together.answers(together.look())


class _Looking(NamedTuple):
    """A search that begins with a look. place: where it is among the searches."""

    place: int
    work: PreparedSearch
    pages: Pages
    watch: Stopwatch


class _Together:
    """Searches of one collection, made ready; those that need no look are answered already."""

    def __init__(self, searches: Sequence[StoredSearch], searcher: Searcher) -> None:
        self._searches = searches
        self._searcher = searcher
        self._told: dict[int, BatchAnswer] = {}
        self._looking: list[_Looking] = []
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

    def look(self) -> Sequence[FirstLook | None]:
        """Return what they find by one look; None for each where that fails for any of them: then
        each looks by itself, and what is wrong is told of those that it concerns.
        """
        try:
            return self._searcher.look([one.work for one in self._looking])
        except ISEError:
            return [None] * len(self._looking)

    def answers(self, found: Sequence[FirstLook | None]) -> list[BatchAnswer]:
        """Return the answer of each search, in their order."""
        for one, look in zip(self._looking, found, strict=True):
            options = self._searches[one.place].options
            try:
                result = self._searcher.finish(one.work, one.watch, look)
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
