"""`ise duplicates`: list groups that look the same, or delete within a budget of error."""

from contextlib import nullcontext
from typing import Annotated

import typer

from shared.cli import tables
from shared.cli.job_wait import raise_if_failed, wait
from shared.cli.progress import ProgressView
from shared.cli.session import AsJson, Session, session
from shared.clients import duplicates as calls
from shared.clients import query
from shared.contracts.duplicates import (
    DeleteDuplicates,
    DuplicatePlan,
    Keep,
    PlannedGroup,
    PlanQuery,
)
from shared.contracts.explore import DuplicateGroups
from shared.contracts.query import MAX_LIMIT
from shared.core.errors import InvalidInput


def duplicates(
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0.5, max=1, help="Smallest cosine of duplicates."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Groups to show.")] = 100,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            min=0.0001,
            max=0.5,
            help="Take a second look, and plan deletions of which at most this share is wrong.",
        ),
    ] = None,
    keep: Annotated[
        Keep, typer.Option("--keep", help="With --budget: which picture of several stays.")
    ] = Keep.LARGEST,
    delete: Annotated[
        bool, typer.Option("--delete", help="With --budget: move them to the trash.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List groups of pictures that show the same; with --budget, those that may be deleted.

    `ise undo TOKEN` takes a deletion back.
    """
    with session(as_json) as opened:
        if budget is not None:
            if threshold is not None:
                raise InvalidInput("Give either --threshold or --budget, not both.")
            _within(opened, budget, keep, limit, delete)
            return
        if delete:
            raise InvalidInput("--delete needs --budget, such as --budget 0.01.")
        page = opened.query.send(query.list_duplicates(threshold, min(MAX_LIMIT, limit)))
        groups = list(page.groups)
        while page.next and len(groups) < limit:
            size = min(MAX_LIMIT, limit - len(groups))
            page = opened.query.send(query.list_duplicates(threshold, size, page.next))
            groups += page.groups
        answer: DuplicateGroups = page.model_copy(update={"groups": groups[:limit]})
        opened.reply(answer, tables.duplicates(answer) if groups else "No duplicates.")


def _within(opened: Session, budget: float, keep: Keep, limit: int, delete: bool) -> None:
    plan = _planned(opened, budget, keep, limit)
    if plan.waiting:
        job = opened.indexer.send(calls.compare())
        with nullcontext(lambda _: None) if opened.as_json else ProgressView(opened.err) as show:
            raise_if_failed(wait(opened.indexer, job, show))
        plan = _planned(opened, budget, keep, limit)
    if not delete or not plan.delete:
        opened.reply(plan, tables.plan(plan) if plan.groups else tables.plain(plan.sentence))
        if plan.groups:
            opened.say(plan.sentence)
        return
    request = DeleteDuplicates(plan=plan.plan, budget=budget, keep=keep)
    done = opened.indexer.send(calls.delete(request))
    opened.reply(done, tables.plain(f"{done.deleted:,} deleted, {plan.expectation}."))
    if done.undo:
        opened.say(f"To take it back: ise undo {done.undo}")


def _planned(opened: Session, budget: float, keep: Keep, limit: int) -> DuplicatePlan:
    asked = PlanQuery(budget=budget, keep=keep, limit=min(MAX_LIMIT, limit))
    plan = opened.indexer.send(calls.plan(asked))
    groups: list[PlannedGroup] = list(plan.groups)
    while plan.next and len(groups) < limit:
        left = min(MAX_LIMIT, limit - len(groups))
        asked = PlanQuery(budget=budget, keep=keep, limit=left, cursor=plan.next)
        plan = opened.indexer.send(calls.plan(asked))
        groups += plan.groups
    return plan.model_copy(update={"groups": groups[:limit]})
