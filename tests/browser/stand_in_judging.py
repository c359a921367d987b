"""The stand-in's judgements: questions, answers, the precision that they tell."""

from typing import Any

from fastapi import FastAPI

from shared.contracts.judgements import (
    Judgement,
    JudgementRequest,
    MeasuredPrecision,
    Questions,
)


def install_judging(app: FastAPI, stand_in: Any) -> None:
    """Add the routes of judgements to the stand-in."""

    @app.post("/v1/judgements")
    async def judge(body: JudgementRequest) -> Judgement:
        if stand_in.shelf.error is not None:
            raise stand_in.shelf.error
        stand_in.judged.append(body)
        return Judgement(**body.model_dump(), judged_at="2026-11-22T05:43:50+00:00")

    @app.get("/v1/judgements/questions")
    async def questions(limit: int) -> Questions:
        if stand_in.shelf.error is not None:
            raise stand_in.shelf.error
        known = {(one.search.id, one.id) for one in stand_in.judged}
        left = [one for one in stand_in.questions if (one.search.id, one.id) not in known]
        return Questions(questions=left[:limit], judged=len(known))

    @app.get("/v1/judgements/precision")
    async def precision() -> MeasuredPrecision:
        told = [one.right for one in stand_in.judged if one.draw is not None]
        share = sum(map(bool, told)) / len(told) if len(told) >= 20 else None
        return MeasuredPrecision(
            precision_at_10=share,
            low=None if share is None else share - 0.1,
            high=None if share is None else share + 0.1,
            judged=len(told),
        )
