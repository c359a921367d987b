"""A word that names a place leads to the pictures that were taken there."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dated import dated, serious


@pytest.fixture
def placed(start, pictures):
    return start(dated(pictures))


def typed(page: Page, text: str) -> None:
    box = page.get_by_role("combobox")
    box.fill("")
    box.press_sequentially(text)


def test_typing_suggests_places_beside_tags_and_choosing_one_shows_its_pictures(visit, placed):
    page = visit.open(placed.url)
    typed(page, "Par")
    page.get_by_role("option", name="Paris, place, 12 images").click()
    expect(page.locator("#gallery-bar")).to_contain_text("12 pictures")
    expect(page.get_by_role("button", name="Remove the filter Town: Paris")).to_be_visible()
    # By the keyboard, and within a search.
    page.goto(f"{placed.url}?term=sun")
    typed(page, "fra")
    option = page.get_by_role("option", name="France, place, 23 images")
    expect(option).to_be_visible()
    page.keyboard.press("ArrowUp")
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove the filter Country: France")).to_be_visible()
    assert "term=sun" in page.url


def test_a_search_by_the_name_of_a_place_offers_its_pictures(visit, placed):
    page = visit.open(f"{placed.url}?term=paris")
    offer = page.get_by_text("12 pictures were taken in Paris")
    expect(offer).to_be_visible()
    assert serious(page) == []
    offer.get_by_role("link").click()
    expect(page.locator("#gallery-bar")).to_contain_text("12 pictures")
    page.goto(f"{placed.url}?term=castle")
    expect(page.locator("#results .hit").first).to_be_visible()
    expect(page.get_by_text("taken in")).to_have_count(0)
