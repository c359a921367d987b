"""Pictures are chosen, changed, deleted and brought back."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from shared.core.errors import Unavailable
from tests.browser.gallery.looking import PHONE, open_gallery, tiles


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
    expect(page.locator("#undo")).to_contain_text("1 picture added to favourites.")
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


def test_duplicates_are_deleted_by_a_plan_and_come_back(visit, dated):
    dated.shelf.plan = [["p00", "p01", "p02"], ["p05", "p06"]]
    page = visit.open(f"{dated.url}?view=duplicates")
    expect(page.get_by_text("Delete 3, expect none wrong.")).to_be_visible()
    expect(page.get_by_text("Same picture")).to_have_count(3)
    page.get_by_role("button", name="Delete 3").click()
    expect(page.locator("#undo")).to_contain_text("3 pictures moved to the trash.")
    expect(page.locator(".group")).to_have_count(0)
    page.locator("#undo").get_by_role("button", name="Undo").click()
    expect(page.locator(".group")).to_have_count(2)
    assert dated.shelf.changes == [{"plan": "p1", "budget": 0.02, "keep": "largest", "but": []}]


def test_a_group_that_is_kept_is_left_out_of_the_plan(visit, dated):
    dated.shelf.plan = [["p00", "p01", "p02"], ["p05", "p06"]]
    page = visit.open(f"{dated.url}?view=duplicates")
    expect(page.locator(".group")).to_have_count(2)
    page.locator(".group").last.get_by_role("button", name="Keep all").click()
    page.get_by_role("button", name="Delete 2").click()
    expect(page.locator("#undo")).to_be_visible()
    assert dated.shelf.changes[0]["but"] == ["p06"]


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
