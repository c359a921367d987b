"""Judgements of hits: kept, replaced, taken back, listed by pages; never tags."""

import pytest
from pydantic import ValidationError

from services.indexer.catalog.judgements import JudgementRow, JudgementTable
from shared.clients import indexer, judgements
from shared.contracts.judgements import Draw, JudgedSearch, JudgementRequest
from shared.core.errors import InvalidInput


@pytest.fixture
def table(images):
    return JudgementTable(images.database)


def _row(search, image_id, right=True, at="2026-01-01", draw=None, kind="term"):
    return JudgementRow(kind, search, image_id, right, at, draw)


def test_the_last_word_on_a_hit_is_kept(table):
    draw = Draw(survey="s", weight=2.0, predicted=0.5)
    table.put(_row("dog", "a", right=True, draw=draw))
    table.put(_row("dog", "a", right=False))
    table.put(_row("dog", "a", kind="id", draw=draw))
    found, total = table.page(10)
    assert total == 2
    assert {(one.kind, one.right, one.draw) for one in found} == {
        ("term", False, None),
        ("id", True, draw),
    }


def test_a_judgement_is_taken_back(table):
    table.put(_row("dog", "a"))
    table.put(_row("cat", "a"))
    table.remove(("term", "dog", "a"))
    table.remove(("term", "dog", "none"))
    found, total = table.page(10)
    assert ([one.search for one in found], total) == (["cat"], 1)


def test_pages_hold_every_judgement_once(table):
    for number in range(7):
        table.put(_row(f"tag {number % 2}", f"image {number}", at=f"2026-01-0{number // 3 + 1}"))
    seen, after = [], None
    while page := table.page(3, after)[0]:
        seen += [one.key for one in page]
        after = (page[-1].judged_at, *page[-1].key)
    assert len(seen) == len(set(seen)) == 7


def test_a_service_keeps_judgements_apart_from_tags(service, picture):
    [item] = service.add(picture(0))
    request = JudgementRequest(search=JudgedSearch(term="Big_Dog"), id=item.id, right=True)
    service.send(judgements.judge(request))
    [kept] = service.send(judgements.list_judgements()).judgements
    assert (kept.search.term, kept.id, kept.right) == ("big dog", item.id, True)
    assert service.send(indexer.get_image(item.id)).tags == []
    # The query service has the same calls, for the page.
    assert service.ask(judgements.list_judgements()).total == 1
    service.send(judgements.judge(request.model_copy(update={"right": None})))
    assert service.send(judgements.list_judgements()).judgements == []


@pytest.mark.parametrize(
    "change", [{"search": {}}, {"search": {"term": "a", "id": "b"}}, {"right": 1}, {"tag": "x"}]
)
def test_what_is_no_judgement_is_refused(change):
    body = {"search": {"term": "dog"}, "id": "a", "right": True} | change
    with pytest.raises(ValidationError):
        JudgementRequest.model_validate(body)


def test_a_term_whose_normal_form_is_too_long_is_refused(service):
    request = JudgementRequest(search=JudgedSearch(term="\ufdfa" * 100), id="a", right=True)
    with pytest.raises(InvalidInput, match="normal form"):
        service.send(judgements.judge(request))
    assert service.send(judgements.list_judgements()).judgements == []
