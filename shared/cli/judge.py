"""`ise judge`: say of hits whether they are right, to measure and to improve searches."""

import os
import sys
from typing import Annotated

import typer

from shared.cli import tables
from shared.cli.judge_screen import ask_screen
from shared.cli.session import AsJson, Session, session
from shared.cli.thumbnails import strips, way_of
from shared.clients import judgements, query
from shared.contracts.judgements import (
    SCREEN,
    Draw,
    JudgedSearch,
    JudgementRequest,
    Judgements,
    MeasuredPrecision,
)
from shared.core.errors import ISEError, NotFound
from shared.terms.normal_form import normal_form

_HITS = 10
_MOST_PARTS = 15
# Rocchio's weights: of the search itself, of what is right, of what is wrong.
_RIGHT, _WRONG = 0.75, 0.25


def judge(
    term: Annotated[
        str | None, typer.Option("--term", help="Judge the hits of this term, and order them anew.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Questions to ask.")] = 72,
    one_by_one: Annotated[
        bool,
        typer.Option("--one-by-one", help="Ask of each hit alone, instead of a screen at once."),
    ] = False,
    export: Annotated[
        bool, typer.Option("--export", help="Print all judgements as JSON; ask nothing.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Print the measured precision; ask nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask whether hits are right. Judgements are kept, never as tags.

    Without `--term`, hits are drawn so that few answers tell the precision of searches by picture,
    and asked of by screens: name those that are not as they are taken. One by one: y, n, s to
    skip, q to end.
    """
    with session(as_json or export) as opened:
        if export:
            opened.reply(_every(opened))
            return
        if not report:
            _ask_term(opened, term, limit) if term is not None else _ask(opened, limit, one_by_one)
        if term is None or report:
            measured = opened.query.send(judgements.measured_precision())
            opened.reply(measured, tables.plain(_told(measured)))


def _ask(opened: Session, limit: int, one_by_one: bool) -> None:
    asked = opened.query.send(judgements.questions(min(limit, 100)))
    if not one_by_one:
        for start in range(0, len(asked.questions), SCREEN):
            if not ask_screen(opened, asked.questions[start : start + SCREEN]):
                return
        return
    for question in asked.questions:
        opened.say(f"Searched by {question.search.id}, found {question.id}.")
        if not _one(opened, question.search, question.id, question.draw):
            return


def _ask_term(opened: Session, term: str, limit: int) -> None:
    hits = opened.query.send(query.search_term(term, limit=min(limit, 100))).hits
    search = JudgedSearch(term=term)
    for hit in hits:
        opened.say(f"{term}: {hit.uri or hit.id}")
        if not _one(opened, search, hit.id, None):
            break
    told = [one for one in _every(opened).judgements if one.search.term == normal_form(term)]
    right = _present(opened, [one.id for one in told if one.right])
    wrong = _present(opened, [one.id for one in told if one.right is False])
    if not right and not wrong:
        return
    # Relevance feedback (Rocchio 1971): nearer to what is right, away from what is wrong.
    parts = [
        {"term": term, "weight": 1.0},
        *({"id": one, "weight": _RIGHT / len(right)} for one in right),
        *({"id": one, "weight": -_WRONG / len(wrong)} for one in wrong),
    ]
    answer = opened.query.send(query.search(parts=parts, limit=_HITS))
    opened.reply(answer, tables.hits(answer), "The same search with what you said.")


def _present(opened: Session, ids: list[str]) -> list[str]:
    """Return the last of some images that were not deleted since, as many as are used."""
    found: list[str] = []
    for one in reversed(ids):
        if len(found) == _MOST_PARTS:
            break
        try:
            found.append(opened.query.send(query.get_image(one)).id)
        except NotFound:
            continue
    return found


def _one(opened: Session, search: JudgedSearch, image_id: str, draw: Draw | None) -> bool:
    """Ask of one hit; False: no more questions are wanted."""
    _show(opened, [one for one in (search.id, image_id) if one is not None])
    try:
        answer: str = typer.prompt(
            "Is this right? [y/n/s/q]", default="s", show_default=False, err=True
        )
    except typer.Abort:
        # The input ended, or Ctrl-C: what was said is kept.
        return False
    word = answer.strip().lower()[:1]
    if word in ("y", "n"):
        request = JudgementRequest(search=search, id=image_id, right=word == "y", draw=draw)
        opened.query.send(judgements.judge(request))
    return word != "q"


def _show(opened: Session, ids: list[str]) -> None:
    way = way_of(os.environ, sys.stdout.isatty())
    if way is None or opened.as_json:
        return
    try:
        pictures = [opened.query.send(query.get_thumbnail(one)) for one in ids]
    except ISEError:
        # The question can be answered from the names, too.
        return
    typer.echo(strips([*pictures], way, opened.out.width, 1), nl=False)


def _every(opened: Session) -> Judgements:
    page = opened.query.send(judgements.list_judgements())
    found = list(page.judgements)
    while page.next:
        page = opened.query.send(judgements.list_judgements(cursor=page.next))
        found += page.judgements
    return Judgements(judgements=found, total=len(found), next=None)


def _told(measured: MeasuredPrecision) -> str:
    if measured.precision_at_10 is None or measured.low is None or measured.high is None:
        return f"{measured.judged} judged; 20 answers are needed for a measure."
    return (
        f"Of the first ten hits, {measured.precision_at_10:.0%} are right "
        f"({measured.low:.0%} to {measured.high:.0%}, by {measured.judged} answers)."
    )
