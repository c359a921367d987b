"""Judging hits: what a person says of them, what to ask him, and what that tells."""

from typing import Annotated

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.query.api.manage import Indexer
from services.query.api.search import Ask
from services.query.search.hits import item_of
from services.query.search.searcher import Searcher
from services.query.search.survey import CollectionSurvey, Surveys
from shared.clients import judgements
from shared.contracts.base import Wire
from shared.contracts.judgements import (
    MAX_JUDGEMENTS,
    Draw,
    JudgedSearch,
    Judgement,
    JudgementRequest,
    Judgements,
    JudgementsQuery,
    MeasuredPrecision,
    Question,
    Questions,
)
from shared.maths.survey import estimate
from shared.web.admission import JSON, admits
from shared.web.keys import Scope
from shared.web.problems import DAMAGED, DISK_FULL, NO_INDEXER, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(
    prefix="/v1", tags=["manage"], responses=problems(NO_INDEXER), route_class=ScopedRoute
)

_AHEAD = 10_000


class QuestionsQuery(Wire):
    """Parameters of questions to ask."""

    limit: Annotated[int, Field(ge=1, le=100)] = Field(20, description="Number of questions.")


@router.post("/judgements", summary="Judge a hit", responses=problems(DISK_FULL))
@needs(Scope.WRITE)
@admits(JSON)
async def add_judgement(here: Indexer, request: JudgementRequest) -> Judgement:
    """Keep whether a hit is right. It is no tag and changes none; a later judgement of the same hit
    replaces it, and null takes it back.
    """
    return await here.send(judgements.judge(request))


@router.get("/judgements", summary="List judgements")
@needs(Scope.READ)
async def list_judgements(here: Indexer, query: Annotated[JudgementsQuery, Query()]) -> Judgements:
    """Return what was said of hits, the oldest first."""
    return await here.send(judgements.list_judgements(query.limit, query.cursor))


@router.get("/judgements/questions", summary="Ask what to judge next", responses=problems(DAMAGED))
@needs(Scope.READ)
async def list_questions(
    ask: Ask, here: Indexer, request: Request, query: Annotated[QuestionsQuery, Query()]
) -> Questions:
    """Return hits of searches by the collection's own pictures whose judgements tell most of its
    precision. Send `draw` back with the judgement.
    """
    searcher = await ask.searcher()
    found = await _survey(searcher, request)
    if found is None:
        return Questions(questions=[], judged=0)
    told = await _told(here, found.name)
    # Judgements may be of the same hit as a later draw, which then needs no question.
    judged = {(one.search.id, one.id) for one in told}
    # In a thread: it looks at thousands of places, and reads records.
    questions = await anyio.to_thread.run_sync(_next, searcher, found, judged, query.limit)
    return Questions(questions=questions, judged=len(told))


def _next(
    searcher: Searcher, found: CollectionSurvey, judged: set[tuple[str | None, str]], limit: int
) -> list[Question]:
    """Return the first questions of a survey that have no answer yet."""
    # Images may be deleted after the survey was made.
    deleted = set(searcher.deleted.tolist())
    start = int(found.name, 16) % 1000 / 1000
    drawn = found.survey.draw(_AHEAD, start)
    questions: list[Question] = []
    for place, weight in zip(drawn.tolist(), found.survey.weights(drawn).tolist(), strict=True):
        row, column = divmod(place, found.hits.shape[1])
        asked, ordinal = found.asked[row], int(found.hits[row, column])
        if asked.ordinal in deleted or ordinal in deleted:
            continue
        search, hit = asked.id, item_of(searcher.collection, ordinal).id
        if (search, hit) in judged:
            continue
        judged.add((search, hit))
        draw = Draw(
            survey=found.name,
            weight=weight,
            predicted=float(found.survey.predicted[row, column]),
        )
        questions.append(Question(search=JudgedSearch(id=search), id=hit, draw=draw))
        if len(questions) == limit:
            break
    return questions


@router.get(
    "/judgements/precision", summary="Get the measured precision", responses=problems(DAMAGED)
)
@needs(Scope.READ)
async def get_precision(ask: Ask, here: Indexer, request: Request) -> MeasuredPrecision:
    """Return the share of right hits among the first ten of a search by a picture, as judgements of
    questions tell it.
    """
    found = await _survey(await ask.searcher(), request)
    told = [] if found is None else await _told(here, found.name)
    draws = [one.draw for one in told if one.draw is not None]
    measured = None
    if found is not None and draws:
        measured = estimate(
            found.survey.predicted,
            np.array([bool(one.right) for one in told]),
            np.array([one.predicted for one in draws]),
            np.array([one.weight for one in draws]),
        )
    return MeasuredPrecision(
        precision_at_10=measured and measured.value,
        low=measured and measured.low,
        high=measured and measured.high,
        judged=len(told),
    )


async def _survey(searcher: Searcher, request: Request) -> CollectionSurvey | None:
    surveys: Surveys = request.app.state.surveys
    return await anyio.to_thread.run_sync(surveys.of, searcher)


async def _told(here: Indexer, survey: str) -> list[Judgement]:
    """Return the answered questions of a survey."""
    found: list[Judgement] = []
    cursor = None
    while True:
        page = await here.send(judgements.list_judgements(MAX_JUDGEMENTS, cursor))
        found += [one for one in page.judgements if one.draw and one.draw.survey == survey]
        if page.next is None:
            return found
        cursor = page.next
