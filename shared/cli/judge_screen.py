"""A screen of hits to judge at once: each is taken as what is likelier, and a person names the
others. So an answer costs a number where it is a surprise, and nothing where it is none.
"""

import os
import re
import sys
from collections.abc import Sequence

import typer

from shared.cli.session import Session
from shared.cli.thumbnails import strips, way_of
from shared.clients import judgements, query
from shared.contracts.judgements import JudgementRequest, Question
from shared.core.errors import ISEError

_ROW = 6
_WORDS = re.compile(r"[\s,;]+")
_SKIPPED = re.compile(r"s(\d+)")


def ask_screen(opened: Session, questions: Sequence[Question]) -> bool:
    """Ask of some hits together; False: no more questions are wanted, and nothing was said."""
    # Those that are taken as right come first, so that the others stand together.
    listed = sorted(questions, key=lambda one: -one.draw.predicted)
    _show(opened, listed)
    for number, one in enumerate(listed, 1):
        taken = "right" if _is_likely(one) else "wrong"
        opened.say(f"{number:>3}. Searched by {one.search.id}, found {one.id}: {taken}?")
    said = _answer(opened, len(listed))
    if said is None:
        return False
    others, skipped = said
    for number, one in enumerate(listed, 1):
        if number not in skipped:
            right = _is_likely(one) != (number in others)
            opened.query.send(
                judgements.judge(
                    JudgementRequest(search=one.search, id=one.id, right=right, draw=one.draw)
                )
            )
    return True


def read_answer(text: str, count: int) -> tuple[set[int], set[int]] | None:
    """Return the numbers of an answer, and those to skip; None where it is none that can be read.

    `3 7` names two, `s4` skips one.
    """
    others: set[int] = set()
    skipped: set[int] = set()
    for word in _WORDS.split(text.strip().lower()):
        match = _SKIPPED.fullmatch(word)
        number = match.group(1) if match else word
        if not word:
            continue
        if not number.isdecimal() or not 1 <= int(number) <= count:
            return None
        (skipped if match else others).add(int(number))
    return others, skipped


def _answer(opened: Session, count: int) -> tuple[set[int], set[int]] | None:
    while True:
        try:
            text: str = typer.prompt(
                "Which are not so? [numbers; Enter: none; s4: skip 4; q: end]",
                default="",
                show_default=False,
                err=True,
            )
        except typer.Abort:
            # The input ended, or Ctrl-C: what was said before is kept.
            return None
        if text.strip().lower() == "q":
            return None
        if (found := read_answer(text, count)) is not None:
            return found
        opened.say(f"Give numbers from 1 to {count}, such as `3 7`.")


def _is_likely(question: Question) -> bool:
    return question.draw.predicted >= 0.5


def _show(opened: Session, listed: Sequence[Question]) -> None:
    """Show the pictures that were searched by, and below each the hit."""
    way = way_of(os.environ, sys.stdout.isatty())
    if way is None or opened.as_json:
        return
    for start in range(0, len(listed), _ROW):
        row = listed[start : start + _ROW]
        for ids in ([one.search.id for one in row], [one.id for one in row]):
            pictures = [_thumbnail(opened, one) for one in ids]
            typer.echo(strips(pictures, way, opened.out.width, start + 1), nl=False)


def _thumbnail(opened: Session, image_id: str | None) -> bytes | None:
    try:
        return None if image_id is None else opened.query.send(query.get_thumbnail(image_id))
    except ISEError:
        # The question can be answered from the names, too.
        return None
