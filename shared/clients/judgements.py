"""The calls about judgements; query has them all, the indexer those that keep and list them."""

from shared.clients.transport import Call, model
from shared.contracts.judgements import (
    MAX_JUDGEMENTS,
    Judgement,
    JudgementRequest,
    Judgements,
    MeasuredPrecision,
    Questions,
)


def judge(request: JudgementRequest) -> Call[Judgement]:
    """Keep a person's word on a hit."""
    body = request.model_dump(mode="json")
    return Call("POST", "/v1/judgements", model(Judgement), json=body)


def list_judgements(limit: int = MAX_JUDGEMENTS, cursor: str | None = None) -> Call[Judgements]:
    """List judgements, the oldest first."""
    params = {"limit": limit, "cursor": cursor}
    return Call("GET", "/v1/judgements", model(Judgements), params=params)


def questions(limit: int = 20) -> Call[Questions]:
    """Return hits whose judgements tell most of the collection's precision."""
    return Call("GET", "/v1/judgements/questions", model(Questions), params={"limit": limit})


def measured_precision() -> Call[MeasuredPrecision]:
    """Return the precision of first hits, as measured by judgements."""
    return Call("GET", "/v1/judgements/precision", model(MeasuredPrecision))
