"""The map: pictures by place, by pointer and by keyboard, offline."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from shared.core.errors import Unavailable
from tests.browser.dated import WIDTHS, dated, serious


@pytest.fixture
def placed(start, pictures):
    return start(dated(pictures))


def places(page: Page):
    return page.get_by_role("list", name="Places", exact=True).get_by_role("link")


def open_map(visit, stand_in) -> Page:
    page = visit.open(f"{stand_in.url}?view=map")
    expect(places(page).first).to_be_attached()
    return page


def test_a_place_leads_to_its_pictures_and_back_to_the_map(visit, placed):
    page = open_map(visit, placed)
    expect(page.locator("#gallery-bar")).to_contain_text("34 pictures")
    paris = page.get_by_role("link", name="Paris, France, 23 pictures")
    expect(paris).to_be_visible()
    paris.click()
    expect(page.locator("#gallery-bar")).to_contain_text("23 pictures")
    expect(page.get_by_role("button", name="Remove the filter In an area")).to_be_visible()
    page.go_back()
    expect(paris).to_be_visible()


def test_a_name_of_a_place_leads_to_its_pictures(visit, placed):
    page = open_map(visit, placed)
    page.get_by_role("link", name="Versailles 11").click()
    expect(page.locator("#gallery-bar")).to_contain_text("11 pictures")
    expect(page.get_by_role("button", name="Remove the filter Town: Versailles")).to_be_visible()


def test_nearer_parts_what_lies_together_and_keys_go_from_place_to_place(visit, placed):
    page = open_map(visit, placed)
    page.get_by_role("link", name="Paris, France, 23 pictures").focus()
    for _ in range(14):
        page.keyboard.press("+")
        page.wait_for_timeout(30)
    page.get_by_role("button", name="Whole world").click()
    expect(page.get_by_role("link", name="Paris, France, 23 pictures")).to_be_visible()
    page.get_by_role("link", name="Paris, France, 23 pictures").focus()
    page.keyboard.press("ArrowRight")
    sydney = page.get_by_role("link", name="Sydney, Australia, 11 pictures")
    expect(sydney).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#gallery-bar")).to_contain_text("11 pictures")


def test_the_map_comes_nearer_around_what_is_looked_at_and_asks_for_smaller_cells(visit, placed):
    page = open_map(visit, placed)
    box = page.get_by_role("link", name="Paris, France, 23 pictures").bounding_box()
    page.mouse.move(box["x"] + 28, box["y"] + 28)
    for _ in range(9):
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(30)
    expect(page.get_by_role("link", name="Versailles, France, 11 pictures")).to_be_attached()
    cells = [float(one["cell"]) for one in placed.shelf.asked if one["path"] == "/v1/images/map"]
    assert cells[-1] < 0.3 < cells[0]


def test_dragging_moves_the_map_and_opens_nothing(visit, placed):
    page = open_map(visit, placed)
    link = page.get_by_role("link", name="Sydney, Australia, 11 pictures")
    page.get_by_role("button", name="Zoom in").click()
    before = page.locator(".map-world").get_attribute("viewBox")
    box = page.locator(".map").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 250, steps=4)
    page.mouse.up()
    assert page.locator(".map-world").get_attribute("viewBox") != before
    expect(page).to_have_url(f"{placed.url}?view=map")
    expect(link).to_have_count(link.count())


def test_filters_hold_for_the_map(visit, placed):
    page = open_map(visit, placed)
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("button", name="Only Australia, 11 images").click()
    expect(page.locator("#gallery-bar")).to_contain_text("11 pictures")
    expect(places(page)).to_have_count(1)


def test_without_places_the_map_says_what_it_would_show(visit, start, pictures):
    page = visit.open(f"{start([replace(p, at=None) for p in pictures]).url}?view=map")
    expect(page.get_by_role("heading", name="No places yet")).to_be_visible()


def test_a_service_that_is_away_is_told_and_asked_again(visit, placed):
    placed.shelf.error = Unavailable("The indexer is away.")
    page = visit.open(f"{placed.url}?view=map")
    expect(page.get_by_role("heading", name="This can't be shown right now")).to_be_visible()
    placed.shelf.error = None
    page.get_by_role("button", name="Try again").click()
    expect(places(page).first).to_be_attached()
    visit.forgive("503")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious_on_the_map_and_in_the_filters(visit, placed, width, scheme):
    visit.page.set_viewport_size({"width": width, "height": 860})
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = open_map(visit, placed)
    assert serious(page) == []
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("heading", name="Cameras")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
