"""Words that are no tags, and tags that are more than a word."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser.asking import HITS, chips, expect_outcome


def test_the_page_says_which_tag_it_shows_and_can_search_as_typed(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=seas")
    expect_outcome(page, "Showing sea. 5 images shown.")
    notice = page.locator(".correction")
    expect(notice).to_have_text("Showing sea. Search for seas instead")
    assert stand_in.asked[-1][1].exact_term is False
    notice.get_by_role("link", name="Search for seas instead").click()
    expect(page).to_have_url(f"{stand_in.url}?term=seas&exact_term=1")
    expect(page.get_by_text("No image is tagged “seas”.")).to_be_visible()
    expect(notice).to_have_count(0)
    assert stand_in.asked[-1][1].exact_term is True
    page.reload()
    expect(page.get_by_text("No image is tagged “seas”.")).to_be_visible()
    page.go_back()
    expect(notice).to_be_visible()


def test_nothing_is_said_of_a_word_that_is_a_tag(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=sea")
    expect_outcome(page, "5 images shown.")
    expect(page.locator(".correction")).to_have_count(0)


@pytest.fixture
def tagged(start, pictures):
    names = ["grand_piano", "Piano", "-40", "new-york"]
    some = [replace(pictures[n], tags=(name,)) for n, name in enumerate(names)]
    return start([*some, replace(pictures[9], tags=("grand_piano",))])


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        ("pia", [("grand_piano", "pia"), ("Piano", "Pia")]),
        ("grand p", [("grand_piano", "grand_p")]),
        ("YORK", [("new-york", "york")]),
    ],
)
def test_a_tag_is_completed_from_any_word_and_the_part_is_marked(visit, tagged, typed, options):
    page = visit.open(tagged.url)
    page.get_by_role("combobox").press_sequentially(typed)
    found = page.locator("#completions [role=option]")
    expect(found.locator("> span:first-child")).to_have_text([tag for tag, _ in options])
    expect(found.locator("b")).to_have_text([marked for _, marked in options])


def test_a_tag_that_begins_with_a_minus_can_be_searched_and_left_out(visit, tagged):
    page = visit.open(tagged.url)
    field = page.get_by_role("combobox")
    field.fill(r"\-40")
    field.press("Enter")
    expect(page).to_have_url(f"{tagged.url}?term=-40")
    expect(page.locator(HITS)).to_have_count(1)
    expect(chips(page)).to_have_text(["-40"])
    page.get_by_role("button", name="Remove -40").click()
    field.press_sequentially("40")
    page.get_by_role("option", name="-40, 1 image").click()
    expect(page).to_have_url(f"{tagged.url}?term=-40")
    page.get_by_role("button", name="Remove -40").click()
    field.press_sequentially("-40")
    page.get_by_role("option", name="-40, 1 image").click()
    expect(page).to_have_url(f"{tagged.url}?not-term=-40")
