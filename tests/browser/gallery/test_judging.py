"""A screen of hits is judged: a click for each that is not as it is taken, and one to go on."""

import pytest
from playwright.sync_api import Page, expect

from shared.contracts.judgements import SCREEN
from shared.core.errors import Unavailable
from tests.browser.dated import questions, serious

_LIKELY, _UNLIKELY = 20, 20


@pytest.fixture
def asked(dated):
    """A collection with forty hits to judge, the unlikely ones first."""
    dated.questions = questions(dated)
    return dated


def pairs(page: Page):
    return page.locator(".judging > li:visible")


def test_a_screen_costs_a_click_for_each_surprise_and_one_more(visit, asked):
    page = visit.open(f"{asked.url}?view=tags")
    page.get_by_role("link", name="How right are searches?").click()
    expect(pairs(page)).to_have_count(SCREEN)
    expect(page.get_by_text("20 answers tell how right searches are.")).to_be_visible()
    expect(page.locator('.judging > [data-said="wrong"]')).to_have_count(_UNLIKELY)
    assert serious(page) == []
    # Two clicks for surprises, one skipped, one to go on.
    first, last = (pairs(page).nth(at).locator(".pair") for at in (0, SCREEN - 1))
    first.click()
    expect(first).to_have_attribute("aria-pressed", "false")
    last.click()
    page.get_by_role("button", name="Skip pair 5").click()
    page.get_by_role("button", name="Keep and go on").click()
    expect(page.get_by_text(f"by {SCREEN - 1} answers)")).to_be_visible()
    expect(pairs(page)).to_have_count(_LIKELY + _UNLIKELY - SCREEN + 1)
    told = {one.id: one for one in asked.judged}
    assert len(told) == SCREEN - 1
    assert all(one.draw is not None and one.search.term is None for one in told.values())
    surprises = [one for one in told.values() if one.right != (one.draw.predicted > 0.5)]
    assert len(surprises) == 2
    page.get_by_role("button", name="Keep and go on").click()
    expect(page.get_by_role("heading", name="All judged")).to_be_visible()


def test_what_was_not_kept_stays_on_the_screen(visit, asked):
    page = visit.open(f"{asked.url}?view=judge")
    expect(pairs(page)).to_have_count(SCREEN)
    pairs(page).nth(3).locator(".pair").click()
    asked.shelf.error = Unavailable("Nothing answers at http://127.0.0.1:8001.")
    page.get_by_role("button", name="Keep and go on").click()
    expect(page.get_by_text("Part of the service is starting or stopped.")).to_be_visible()
    expect(pairs(page)).to_have_count(SCREEN)
    expect(pairs(page).nth(3)).to_have_attribute("data-said", "wrong")
    assert asked.judged == []
    visit.forgive("503")
    asked.shelf.error = None
    page.get_by_role("button", name="Keep and go on").click()
    expect(page.get_by_text(f"by {SCREEN} answers)")).to_be_visible()


def test_a_collection_too_small_says_so(visit, dated):
    page = visit.open(f"{dated.url}?view=judge")
    expect(page.get_by_role("heading", name="Nothing to judge")).to_be_visible()
