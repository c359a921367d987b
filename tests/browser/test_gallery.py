"""The collection to look through: dates, keys, selection, what was done and the way back."""

import threading
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from shared.core.errors import Unavailable

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def dated(start, pictures):
    """Forty pictures over three months, and five without a date."""
    days = [f"2024-{5 - n // 15:02d}-{28 - n % 15:02d}T12:00:00" for n in range(40)]
    some = [
        replace(
            p, id=f"p{n:02d}", uri=f"trips/{'rome' if n % 2 else 'oslo'}/p{n:02d}.jpg", taken=day
        )
        for n, (p, day) in enumerate(zip(pictures, [*days, *[None] * 5], strict=False))
    ]
    return start(some)


def tiles(page: Page) -> Locator:
    return page.locator(".tile")


def open_gallery(visit, stand_in, query: str = "") -> Page:
    page = visit.open(f"{stand_in.url}{query}")
    expect(tiles(page).first).to_be_visible()
    return page


def ids(page: Page) -> list[str]:
    return tiles(page).evaluate_all("all => all.map((one) => one.dataset.id)")


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


def test_pictures_are_chosen_by_click_range_and_key_and_let_go(visit, dated):
    page = open_gallery(visit, dated)
    page.locator(".tile[data-id=p00] .check-mark").click(force=True)
    page.locator(".tile[data-id=p03] a").click(modifiers=["Shift"])
    expect(page.get_by_text("4 selected")).to_be_visible()
    page.locator(".tile[data-id=p01] a").click()
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.locator(".tile[data-id=p05] a").focus()
    page.keyboard.press("x")
    expect(page.get_by_text("4 selected")).to_be_visible()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("45 selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#selection-bar")).to_be_hidden()


@pytest.mark.parametrize("view", ["Tags", "Folders", "Duplicates"])
def test_nothing_of_the_former_view_can_be_chosen_in_a_view_without_pictures(visit, dated, view):
    dated.shelf.groups = [["p00", "p01"]]
    page = visit.open(f"{dated.url}?term=sea")
    expect(page.locator("#results .hit")).not_to_have_count(0)
    page.get_by_role("link", name=view, exact=True).click()
    expect(page.locator("#results :is(.card, .group)").first).to_be_visible()
    assert selects_text(page)
    page.keyboard.press("Delete")
    page.go_back()
    expect(page.locator("#results .hit")).not_to_have_count(0)
    assert dated.shelf.changes == []


def test_select_all_is_the_browsers_own_while_a_picture_is_open(visit, dated):
    page = visit.open(f"{dated.url}?open=p00")
    expect(page.locator("#hit")).to_contain_text("1 of 45")
    assert selects_text(page)


def selects_text(page: Page) -> bool:
    """Press Ctrl+A; tell whether the browser does what it does, and nothing else is chosen."""
    page.evaluate(
        """addEventListener("keydown", (event) => (window.prevented = event.defaultPrevented))"""
    )
    page.keyboard.press("Control+a")
    expect(page.locator("#selection-bar")).to_be_hidden()
    return page.evaluate("window.prevented") is False


def test_many_are_deleted_and_one_key_brings_them_back(visit, dated):
    page = open_gallery(visit, dated)
    page.locator(".tile[data-id=p00] .check-mark").click(force=True)
    page.locator(".tile[data-id=p02] .check-mark").click(force=True)
    page.keyboard.press("Delete")
    expect(page.locator("#undo")).to_contain_text("2 pictures moved to the trash.")
    expect(page.locator(".tile[data-id=p00]")).to_have_count(0)
    assert dated.shelf.changes == [{"ids": ["p00", "p02"], "delete": True}]
    page.keyboard.press("u")
    expect(page.locator(".tile[data-id=p00]")).to_be_visible()
    expect(page.locator("#undo")).to_contain_text("Undone.")
    assert len(dated.pictures) == 45


def test_the_last_picture_of_a_view_comes_back_in_it(visit, start, pictures):
    stand_in = start([replace(pictures[0], id="only", taken="2024-05-28T12:00:00")])
    page = open_gallery(visit, stand_in)
    page.locator(".tile[data-id=only] a").focus()
    page.keyboard.press("Delete")
    expect(tiles(page)).to_have_count(0)
    expect(page.locator("#undo")).to_contain_text("moved to the trash.")
    page.keyboard.press("u")
    expect(page.locator(".tile[data-id=only]")).to_be_visible()


@pytest.mark.parametrize("query", ["?open=p01", "?term=leaf&open=p41"])
def test_a_picture_deleted_while_it_is_open_can_be_brought_back(visit, dated, query):
    page = visit.open(f"{dated.url}{query}")
    page.locator("#hit").get_by_role("button", name="Delete").click()
    expect(page.locator("#undo")).to_contain_text("moved to the trash.")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#undo")).to_contain_text("Undone.")
    assert len(dated.pictures) == 45


def test_a_failed_delete_leaves_everything_and_says_so_in_a_sentence(visit, dated):
    page = open_gallery(visit, dated)
    page.locator(".tile[data-id=p00] .check-mark").click(force=True)
    dated.shelf.error = Unavailable("Nothing answers at http://127.0.0.1:8001.")
    page.keyboard.press("Delete")
    expect(page.locator("#undo")).to_contain_text("Part of the service is starting or stopped.")
    expect(page.locator(".tile[data-id=p00]")).to_be_visible()
    expect(page.get_by_text("1 selected")).to_be_visible()
    visit.forgive("503")


def test_delete_on_a_tag_that_is_being_edited_leaves_the_picture(visit, dated):
    page = visit.open(f"{dated.url}?open=p00")
    page.locator("#hit").get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("button", name="Remove warm").focus()
    for key in ("Delete", "f", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Remove warm")).to_be_focused()
    page.get_by_role("button", name="Cancel").click()
    # What it would have done comes before the answer to what is asked now.
    page.keyboard.press("ArrowRight")
    expect(page.locator("#hit")).to_contain_text("2 of 45")
    assert dated.shelf.changes == []
    visit.forgive("404")  # The stand-in suggests no tags.


def test_a_link_is_shown_to_be_copied_where_there_is_no_clipboard(visit, dated):
    # As over plain HTTP from another device.
    visit.page.add_init_script("delete Navigator.prototype.clipboard")
    page = visit.open(f"{dated.url}?open=p00")
    page.get_by_role("button", name="Copy link").click()
    field = page.get_by_label("Link to this picture")
    expect(field).to_be_focused()
    expect(field).to_have_value(f"{dated.url}?open=p00")
    assert page.evaluate("getSelection().toString()") == f"{dated.url}?open=p00"


@pytest.mark.parametrize("opened", [True, False])
def test_nothing_is_deleted_for_good_without_a_question(visit, dated, opened):
    dated.shelf.days = 0
    page = visit.open(f"{dated.url}?open=p00") if opened else open_gallery(visit, dated)
    if not opened:
        page.locator(".tile[data-id=p00] .check-mark").click(force=True)
    question = page.get_by_role("dialog", name="Delete 1 picture for good?")
    button = page.locator("#hit" if opened else "#selection-bar").get_by_role(
        "button", name="Delete"
    )
    button.click()
    question.get_by_role("button", name="Not now").click()
    expect(question).to_be_hidden()
    assert dated.shelf.changes == []
    expect(page.locator("#hit" if opened else "#selection-bar")).to_be_visible()
    button.click()
    question.get_by_role("button", name="Delete").click()
    expect(page.locator("#undo")).to_contain_text("1 picture deleted for good.")
    assert dated.shelf.changes == [{"ids": ["p00"], "delete": True}]
    assert page.get_by_role("button", name="Undo").count() == 0


def test_many_are_tagged_untagged_and_made_favourites(visit, dated):
    page = open_gallery(visit, dated)
    page.locator(".tile[data-id=p00] .check-mark").click(force=True)
    page.get_by_role("button", name="Add tag").click()
    page.locator("#bulk-tag").fill("holiday")
    page.locator("#bulk-tag").press("Enter")
    expect(page.locator("#undo")).to_contain_text("“holiday” added to 1 picture.")
    page.get_by_role("button", name="Remove tag").click()
    page.locator("#bulk").get_by_role("button", name="warm").click()
    expect(page.locator("#undo")).to_contain_text("“warm” removed from 1 picture.")
    page.keyboard.press("Control+z")
    expect(page.locator("#undo")).to_contain_text("Undone.")
    page.keyboard.press("f")
    expect(page.locator(".tile[data-id=p00] .heart")).to_be_visible()
    assert [list(c)[1] for c in dated.shelf.changes] == ["add_tags", "remove_tags", "add_tags"]
    page.get_by_role("link", name="Favourites").click()
    expect(tiles(page)).to_have_count(1)


def test_chosen_pictures_are_downloaded_as_one_archive(visit, dated):
    page = open_gallery(visit, dated)
    for which in ("p00", "p01"):
        page.locator(f".tile[data-id={which}] .check-mark").click(force=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "pictures.zip"
    assert dated.shelf.asked[-1] == {"path": "archive", "ids": ["p00", "p01"]}


def test_the_trash_gives_back(visit, dated):
    dated.shelf.trash = [replace(dated.pictures[0], id="gone", uri="gone.jpg")]
    page = open_gallery(visit, dated, "?view=trash")
    expect(page.get_by_text("Deleted pictures stay here for 30 days.")).to_be_visible()
    page.get_by_role("button", name="Select gone.jpg").first.click()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#undo")).to_contain_text("1 picture restored.")
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    assert "gone" in [p.id for p in dated.pictures]


def test_a_failure_to_restore_all_is_told(visit, dated):
    dated.shelf.trash = [replace(dated.pictures[0], id="gone", uri="gone.jpg")]
    page = open_gallery(visit, dated, "?view=trash")
    dated.shelf.error = Unavailable("Nothing answers at http://127.0.0.1:8001.")
    page.get_by_role("button", name="Restore all").click()
    expect(page.locator("#undo")).to_contain_text("Part of the service is starting or stopped.")
    visit.forgive("503")


def test_the_trash_is_emptied_after_a_question(visit, dated):
    dated.shelf.trash = [replace(dated.pictures[0], id="gone", uri="gone.jpg")]
    page = open_gallery(visit, dated, "?view=trash")
    page.get_by_role("button", name="Empty the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Empty it").click()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()


def test_duplicates_are_decided_on(visit, dated):
    dated.shelf.groups = [["p00", "p01", "p02"], ["p05", "p06"]]
    page = visit.open(f"{dated.url}?view=duplicates")
    expect(page.get_by_role("heading", name="3 alike")).to_be_visible()
    page.locator(".group").first.get_by_role("button", name="Keep only this").first.click()
    expect(page.locator("#undo")).to_contain_text("2 pictures moved to the trash.")
    expect(page.locator(".group")).to_have_count(1)
    page.get_by_role("button", name="Keep all").click()
    expect(page.get_by_role("heading", name="No duplicates")).to_be_visible()


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


def test_a_long_press_chooses_on_a_touch_screen(browser, dated):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(dated.url)
    tile = page.locator(".tile[data-id=p01]")
    expect(tile).to_be_visible()
    box = tile.bounding_box()
    assert box is not None
    at = {"x": box["x"] + 20, "y": box["y"] + 20}
    session = context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    expect(page.get_by_text("1 selected")).to_be_visible()
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.get_by_text("1 selected")).to_be_visible()
    context.close()


VIEWS = ("", "?view=favourites", "?view=tags", "?view=folders", "?view=duplicates", "?view=trash")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_serious_in_any_view_and_nothing_too_wide(browser, dated, width, scheme):
    dated.shelf.groups = [["p00", "p01"]]
    dated.shelf.trash = [replace(dated.pictures[0], id="gone")]
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    found = []
    for view in (*VIEWS, "?open=p01"):
        page.goto(f"{dated.url}{view}")
        expect(page.locator("#results > *").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        found += [(view, one) for one in serious(page)]
    page.close()
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_while_it_loads_is_empty_or_fails(browser, start, dated, scheme):
    page = browser.new_page(color_scheme=scheme)
    empty = start([])
    found = []
    for view in VIEWS:
        page.goto(f"{empty.url}{view}")
        expect(page.locator(".state")).to_be_visible()
        found += [(view, one) for one in serious(page)]
    dated.shelf.error = Unavailable("The index is being moved.")
    for view in VIEWS:
        if view == "?view=tags":
            continue
        page.goto(f"{dated.url}{view}")
        expect(page.locator(".state.error")).to_be_visible()
        found += [(view, one) for one in serious(page)]
    dated.shelf.error = None
    dated.hold = threading.Event()
    page.goto(dated.url)
    expect(tiles(page).first).to_be_visible()
    found += serious(page)
    dated.hold.set()
    page.close()
    assert found == []


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical, each with where it is."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
