"""Filters of what files tell, the range of dates, the order of a search, and all that match."""

import json
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dated import dated


@pytest.fixture
def placed(start, pictures):
    return start(dated(pictures))


def open_filters(visit, stand_in, query: str = "") -> Page:
    page = visit.open(f"{stand_in.url}{query}")
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("heading", name="Years")).to_be_visible()
    return page


def total(page: Page, number: int) -> None:
    expect(page.locator("#gallery-bar .total")).to_have_text(
        f"{number} picture{'' if number == 1 else 's'}"
    )


def test_facts_narrow_all_pictures_and_are_taken_back_one_by_one(visit, placed):
    page = open_filters(visit, placed)
    total(page, 45)
    page.get_by_role("button", name="Only 2024, 8 images").click()
    total(page, 8)
    page.get_by_role("button", name="Not Paris").click()
    total(page, 6)
    expect(page.get_by_role("button", name="Remove the filter not Town: Paris")).to_be_visible()
    page.get_by_role("button", name="Remove the filter Taken: 2024").click()
    total(page, 33)
    page.go_back()
    total(page, 6)


def test_a_range_of_dates_has_both_ends_and_may_be_left_open(visit, placed):
    page = open_filters(visit, placed)
    first, last = page.get_by_label("From", exact=True), page.get_by_label("To", exact=True)
    assert first.get_attribute("min") == min(p.taken[:10] for p in placed.pictures if p.taken)
    first.fill("2023-01-01")
    last.fill("2024-02-02")
    last.press("Enter")
    inside = [
        p for p in placed.pictures if p.taken and "2023-01-01" <= p.taken[:10] <= "2024-02-02"
    ]
    total(page, len(inside))
    name = "Remove the filter Taken from Jan 1, 2023 to Feb 2, 2024"
    expect(page.get_by_role("button", name=name)).to_be_visible()
    # Another range replaces it; one that is left open has no end.
    expect(page.get_by_label("To", exact=True)).to_have_attribute("value", "2024-02-02")
    page.get_by_label("To", exact=True).fill("")
    page.get_by_role("button", name="Apply").click()
    total(page, len([p for p in placed.pictures if p.taken and p.taken >= "2023-01-01"]))
    expect(page.locator(".chip.active")).to_have_count(1)


def test_dates_the_wrong_way_round_are_meant_the_right_way(visit, placed):
    page = open_filters(visit, placed)
    page.get_by_label("From", exact=True).fill("2024-03-03")
    page.get_by_label("To", exact=True).fill("2024-02-02")
    page.get_by_role("button", name="Apply").click()
    total(page, 2)


def test_a_filter_that_nothing_meets_says_so_and_can_be_removed(visit, placed):
    wanted = json.dumps({"must": [{"key": "file.city", "match": "Nowhere"}]})
    page = visit.open(f"{placed.url}?filter={wanted}")
    expect(page.get_by_role("heading", name="No pictures here")).to_be_visible()
    page.get_by_role("button", name="Remove the filter Town: Nowhere").click()
    total(page, 45)


def test_a_search_is_narrowed_by_the_facts_of_what_it_found(visit, placed):
    page = visit.open(f"{placed.url}?term=sun")
    expect(page.locator("#results .hit")).not_to_have_count(0)
    page.get_by_role("button", name="Filters").click()
    page.locator(".facet .with", has_text="Sydney").click()
    expect(page.get_by_role("button", name="Remove the filter Town: Sydney")).to_be_visible()
    path, options = placed.asked[-1]
    assert path == "term sun"
    assert options.filter.must[0].key == "file.city"


def test_a_search_can_be_looked_at_by_date(visit, placed):
    page = visit.open(f"{placed.url}?term=sun")
    expect(page.locator("#results .hit")).not_to_have_count(0)
    page.get_by_role("link", name="Newest").click()
    expect(page).to_have_url(f"{placed.url}?term=sun&sort=taken")
    dated_suns = [p for p in placed.pictures if "sun" in p.tags]
    newest = max(dated_suns, key=lambda p: p.taken or p.added)
    expect(page.locator("#results .hit").first).to_have_attribute("data-id", newest.id)
    expect(page.get_by_role("link", name="Newest")).to_have_attribute("aria-current", "true")
    assert placed.asked[-1][1].sort.value == "-taken"
    page.go_back()
    expect(page.get_by_role("link", name="Best")).to_have_attribute("aria-current", "true")


def test_the_order_of_a_view_is_none_of_a_search_from_it(visit, placed):
    page = visit.open(f"{placed.url}?sort=name")
    box = page.get_by_role("combobox")
    box.fill("sun")
    box.press("Enter")
    expect(page.locator("#results .hit")).not_to_have_count(0)
    assert placed.asked[-1][1].sort.value == "relevance"


@pytest.fixture
def crowd(start, many):
    return start(many(2500))


def choose_all(visit, crowd, query: str = "") -> Page:
    page = visit.open(f"{crowd.url}{query}")
    expect(page.locator(".tile, .hit").first).to_be_visible()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("2,500 selected")).to_be_visible()
    return page


def test_all_are_chosen_without_being_loaded_and_some_are_left_out(visit, crowd):
    page = choose_all(visit, crowd)
    assert max(int(one.get("limit", 0)) for one in crowd.shelf.asked) <= 500
    page.locator(".tile .check-mark").nth(1).click(force=True)
    expect(page.get_by_text("2,499 selected")).to_be_visible()
    left = page.locator(".tile").nth(1).get_attribute("data-id")
    page.get_by_role("button", name="Add tag").click()
    expect(page.get_by_role("heading", name="Add a tag to 2,499 pictures")).to_be_visible()
    page.locator("#bulk-tag").fill("trip")
    page.keyboard.press("Enter")
    expect(page.locator("#undo")).to_contain_text("“trip” added to 2,499 pictures.")
    [change] = crowd.shelf.changes
    assert "ids" not in change
    assert change["but"] == [left]
    assert [p.id for p in crowd.pictures if "trip" not in p.tags] == [left]
    page.keyboard.press("u")
    expect(page.locator("#undo")).to_contain_text("Undone.")
    assert not [p for p in crowd.pictures if "trip" in p.tags]


def test_a_deletion_of_all_is_asked_about_with_its_number_and_undone(visit, crowd):
    page = choose_all(visit, crowd)
    page.keyboard.press("Delete")
    expect(page.get_by_role("heading", name="Move 2,500 pictures to the trash?")).to_be_visible()
    page.get_by_role("button", name="Not now").click()
    assert crowd.shelf.changes == []
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Move to the trash").click()
    expect(page.locator("#undo")).to_contain_text("2,500 pictures moved to the trash.")
    assert crowd.pictures == []
    page.keyboard.press("u")
    expect(page.locator("#gallery-bar .total")).to_have_text("2,500 pictures")


def test_a_tag_is_taken_from_all_that_carry_it(visit, crowd):
    page = choose_all(visit, crowd)
    page.get_by_role("button", name="Remove tag").click()
    page.get_by_role("button", name="sun 2500").click()
    expect(page.locator("#undo")).to_contain_text("“sun” removed from 2,500 pictures.")


def test_a_download_of_all_tells_the_number_first(visit, crowd):
    page = choose_all(visit, crowd)
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("heading", name="Download 2,500 pictures?")).to_be_visible()
    with page.expect_download():
        page.get_by_role("dialog").get_by_role("button", name="Download").click()
    assert json.loads(crowd.shelf.asked[-1]["filter"])["should"]


def test_all_pictures_with_a_tag_are_chosen_though_only_some_are_loaded(visit, crowd):
    page = choose_all(visit, crowd, "?term=sun")
    page.get_by_role("button", name="Favourite", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#undo")).to_contain_text("2,500 pictures added to favourites.")
    assert crowd.shelf.changes[0]["filter"]["must"] == [{"tag": "sun"}]


def test_a_deletion_of_what_was_never_loaded_leaves_nothing_behind(visit, start, many):
    """All of many months, most of which are below the screen."""
    some = [
        replace(p, taken=f"{2000 + n % 24}-{1 + n % 12:02d}-11T12:00:00")
        for n, p in enumerate(many(400))
    ]
    stand_in = start(some)
    page = visit.open(stand_in.url)
    expect(page.locator(".tile").first).to_be_visible()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("400 selected")).to_be_visible()
    page.keyboard.press("Delete")
    expect(page.locator("#undo")).to_contain_text("400 pictures moved to the trash.")
    expect(page.get_by_role("link", name="Add pictures")).to_be_visible()
    expect(page.get_by_role("button", name="Filters")).to_be_hidden()
    page.keyboard.press("u")
    total(page, 400)
    expect(page.get_by_role("button", name="Filters")).to_be_visible()
