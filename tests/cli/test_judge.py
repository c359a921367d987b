"""`ise judge`: the hits of a term in another order, and the report."""

import io
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from shared.cli import judge, judge_screen
from shared.contracts.judgements import (
    Draw,
    JudgedSearch,
    Judgement,
    Judgements,
    MeasuredPrecision,
    Question,
)
from shared.core.errors import NotFound


def _said(image_id, right):
    return Judgement(search=JudgedSearch(term="dog"), id=image_id, right=right, judged_at="now")


class Query:
    """A collection from which `wrong-1` was deleted after it was judged."""

    said = (_said("right-1", True), _said("wrong-1", False), _said("wrong-2", False))

    def __init__(self):
        self.searched = None

    def send(self, call):
        name = call.path.removeprefix("/v1/images/")
        if call.path == "/v1/judgements":
            return Judgements(judgements=list(self.said), total=len(self.said))
        if call.path == "/v1/search" and call.method == "POST":
            self.searched = call.json
        elif name == "wrong-1":
            raise NotFound("There is no image 'wrong-1'.")
        return SimpleNamespace(hits=[], id=name)


def test_a_judged_picture_that_was_deleted_is_left_out(monkeypatch):
    monkeypatch.setattr(judge.tables, "hits", lambda answer: "")
    asked = Query()
    session = SimpleNamespace(query=asked, reply=lambda *told: None, say=lambda told: None)
    judge._ask_term(session, "dog", 10)
    assert asked.searched["parts"] == [
        {"term": "dog", "weight": 1.0},
        {"id": "right-1", "weight": 0.75},
        {"id": "wrong-2", "weight": -0.25},
    ]


@pytest.mark.parametrize("term", [None, "dog"])
def test_a_report_is_printed_whatever_else_is_given(monkeypatch, term):
    told = []
    measured = MeasuredPrecision(precision_at_10=0.8, low=0.7, high=0.9, judged=40)
    asked = SimpleNamespace(send=lambda call: measured)
    session = SimpleNamespace(query=asked, reply=lambda *some: told.append(some[0]))
    monkeypatch.setattr(judge, "session", lambda as_json: nullcontext(session))
    judge.judge(term=term, limit=20, one_by_one=False, export=False, report=True, as_json=False)
    assert told == [measured]


def test_the_end_of_the_input_ends_the_questions(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    session = SimpleNamespace(as_json=True)
    assert not judge._one(session, JudgedSearch(term="dog"), "right-1", None)


def _question(image_id, predicted):
    draw = Draw(survey="s", weight=1.0, predicted=predicted)
    return Question(search=JudgedSearch(id="asked"), id=image_id, draw=draw)


def test_a_screen_keeps_each_hit_as_it_is_taken_but_for_those_that_are_named(monkeypatch):
    sent, said = [], []
    session = SimpleNamespace(
        as_json=True,
        say=said.append,
        query=SimpleNamespace(send=lambda call: sent.append(call.json)),
    )
    questions = [_question("a", 0.2), _question("b", 0.9), _question("c", 0.7), _question("d", 0.6)]
    # In their order: b, c, d are taken as right, a as wrong.
    answers = iter(["9", "2, 4 s3"])
    monkeypatch.setattr(judge_screen.typer, "prompt", lambda *some, **more: next(answers))
    assert judge_screen.ask_screen(session, questions)
    assert {one["id"]: one["right"] for one in sent} == {"b": True, "c": False, "a": True}
    assert all(one["draw"]["survey"] == "s" for one in sent)
    assert "numbers from 1 to 4" in said[-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (set(), set())),
        ("3 7", ({3, 7}, set())),
        ("3,7;s1", ({3, 7}, {1})),
        ("0", None),
        ("13", None),
        ("y", None),
        ("²", None),
    ],
)
def test_answers_of_a_screen(text, found):
    assert judge_screen.read_answer(text, 12) == found


def test_a_screen_that_is_left_says_nothing(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    session = SimpleNamespace(as_json=True, say=lambda told: None, query=None)
    assert not judge_screen.ask_screen(session, [_question("a", 0.5)])
