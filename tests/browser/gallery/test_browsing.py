"""The collection to look through: dates, orders, keys, folders, tags."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from shared.core.errors import Unavailable
from tests.browser.gallery.looking import ids, open_gallery, tiles


def test_it_shows_the_newest_first_by_month_and_day_and_last_what_has_no_date(visit, dated):
    page = open_gallery(visit, dated)
    expect(page.get_by_role("heading", name="May 2024")).to_be_visible()
    expect(page.get_by_role("button", name="Select Tue, May 28, 2024")).to_be_visible()
    assert ids(page)[:3] == ["p00", "p01", "p02"]
    page.get_by_role("slider", name="Go to a date").press("End")
    expect(page.get_by_role("heading", name="Without a date")).to_be_visible()


def test_a_collection_without_dates_is_shown_by_when_it_was_added(visit, stand_in):
    page = open_gallery(visit, stand_in)
    expect(page.get_by_role("heading", name="November 2026")).to_be_visible()
    expect(page.get_by_role("link", name="Added", exact=True)).to_have_attribute(
        "aria-current", "true"
    )


def test_orders_have_addresses_and_back_leads_to_the_former_one(visit, dated):
    page = open_gallery(visit, dated)
    page.get_by_role("link", name="Name", exact=True).click()
    expect(page).to_have_url(f"{dated.url}?sort=name")
    expect(page.get_by_role("heading", name="May 2024")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("heading", name="May 2024")).to_be_visible()


def test_only_what_is_near_the_screen_is_there(visit, start, many):
    stand_in = start(
        [replace(p, taken=f"2024-01-{1 + n % 28:02d}") for n, p in enumerate(many(3000))]
    )
    page = open_gallery(visit, stand_in)
    assert tiles(page).count() < 150
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator(".tile[aria-posinset='3000']")
    expect(last).to_be_visible()
    assert tiles(page).count() < 150


@pytest.mark.parametrize("again", ["back", "reload"])
def test_the_place_is_kept(visit, start, many, again):
    stand_in = start(
        [replace(p, taken=f"2024-01-{1 + n % 28:02d}") for n, p in enumerate(many(900))]
    )
    page = open_gallery(visit, stand_in)
    page.evaluate("scrollTo(0, 4000)")
    expect(page.locator(".tile img.here").first).to_be_attached()
    page.wait_for_timeout(400)
    before = page.evaluate("document.elementFromPoint(700, 400).closest('.tile')?.dataset.id")
    if again == "back":
        page.get_by_role("link", name="Trash").click()
        expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
        page.go_back()
    else:
        page.reload()
    expect(tiles(page).first).to_be_visible()
    at = "document.elementFromPoint(700, 400)?.closest('.tile')?.dataset.id"
    for _ in range(50):
        if page.evaluate(at) == before:
            break
        page.wait_for_timeout(100)
    assert page.evaluate(at) == before


def test_a_picture_is_opened_and_left_by_keys_alone(visit, dated):
    page = open_gallery(visit, dated)
    page.locator(".tile a[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.locator("#hit")
    expect(dialog.get_by_role("heading", name="p01.jpg")).to_be_visible()
    expect(dialog).to_contain_text("2 of 45")
    expect(dialog).to_contain_text("Pentax K-1")
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("heading", name="p02.jpg")).to_be_visible()
    page.keyboard.press("+")
    assert "scale" in (dialog.locator(".shown").last.get_attribute("style") or "")
    page.keyboard.press("i")
    expect(dialog.locator(".about")).to_be_hidden()
    page.keyboard.press("i")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".tile[data-id=p02] a")).to_be_focused()


def test_an_address_of_a_picture_knows_its_neighbours(visit, dated):
    page = visit.open(f"{dated.url}?open=p03")
    expect(page.locator("#hit")).to_contain_text("4 of 45")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#hit").get_by_role("heading", name="p04.jpg")).to_be_visible()


def test_a_link_is_shown_to_be_copied_where_there_is_no_clipboard(visit, dated):
    # As over plain HTTP from another device.
    visit.page.add_init_script("delete Navigator.prototype.clipboard")
    page = visit.open(f"{dated.url}?open=p00")
    page.get_by_role("button", name="Copy link").click()
    field = page.get_by_label("Link to this picture")
    expect(field).to_be_focused()
    expect(field).to_have_value(f"{dated.url}?open=p00")
    assert page.evaluate("getSelection().toString()") == f"{dated.url}?open=p00"


def test_folders_lead_to_their_pictures_and_back(visit, dated):
    page = visit.open(f"{dated.url}?view=folders")
    page.get_by_role("link", name="trips 45 pictures").click()
    page.get_by_role("link", name="rome 22 pictures").click()
    expect(page).to_have_url(f"{dated.url}?view=folders&folder=trips%2Frome")
    expect(tiles(page).first).to_be_visible()
    assert all(int(one[1:]) % 2 for one in ids(page))
    page.get_by_role("link", name="All folders").click()
    expect(page.get_by_role("link", name="trips 45 pictures")).to_be_visible()


def test_a_tag_is_renamed(visit, dated):
    page = visit.open(f"{dated.url}?view=tags")
    page.get_by_role("button", name="Rename sun", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_label("New name").fill("sunset")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("link", name="sunset 36 pictures")).to_be_visible()
    assert dated.shelf.changes == [{"from": "sun", "to": "sunset"}]


def test_a_search_begins_at_a_slash_and_clearing_it_shows_the_pictures_again(visit, dated):
    page = open_gallery(visit, dated)
    page.keyboard.press("/")
    page.keyboard.type("sea")
    page.keyboard.press("Enter")
    expect(page.locator("#results .hit")).not_to_have_count(0)
    page.get_by_role("link", name="Clear the search").click()
    expect(page.get_by_role("heading", name="May 2024")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()


def test_it_says_what_is_wrong_in_a_sentence_and_tries_again(visit, dated):
    dated.shelf.error = Unavailable("Nothing answers at http://127.0.0.1:8001/v1.")
    page = visit.open(dated.url)
    alert = page.get_by_role("alert").filter(has_text="This can't be shown right now")
    expect(alert).to_contain_text("Part of the service is starting or stopped.")
    expect(alert.get_by_text("127.0.0.1")).to_be_hidden()
    dated.shelf.error = None
    alert.get_by_role("button", name="Try again").click()
    expect(tiles(page).first).to_be_visible()
    visit.forgive("503")


def test_a_new_collection_has_one_large_button(visit, start):
    page = visit.open(start([]).url)
    button = page.get_by_role("link", name="Add pictures")
    expect(button).to_be_visible()
    expect(button).to_have_attribute("href", "manage#add")
