"""Tags that look wrong or missing are decided on, one click each."""

from playwright.sync_api import Page, expect

from shared.core.errors import Unavailable
from tests.browser.dated import suspect


def rows(page: Page):
    return page.locator(".audit > li:visible")


def test_a_wrong_tag_is_removed_by_one_click_and_given_back(visit, dated):
    suspect(dated)
    page = visit.open(f"{dated.url}?view=tags")
    page.get_by_role("link", name="Check tags").click()
    expect(rows(page)).to_have_count(3)
    expect(rows(page).first).to_contain_text("looks more like elsewhere")
    first, tag = dated.pictures[0], dated.pictures[0].tags[0]
    rows(page).first.get_by_role("button", name=f"Remove tag {tag}").click()
    expect(rows(page)).to_have_count(2)
    expect(page.locator("#undo")).to_contain_text(f"“{tag}” removed from 1 picture.")
    assert tag not in dated.by_id(first.id).tags
    page.get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_count(3)
    assert tag in dated.by_id(first.id).tags


def test_a_missing_tag_is_added_and_what_is_right_is_not_asked_again(visit, dated):
    suspect(dated)
    page = visit.open(f"{dated.url}?view=missing-tags")
    expect(rows(page)).to_have_count(3)
    page.get_by_role("button", name="Not this: missed").first.click()
    expect(rows(page)).to_have_count(2)
    page.reload()
    expect(rows(page)).to_have_count(2)
    for left in (1, 0):
        page.get_by_role("button", name="Add tag missed").first.click()
        expect(rows(page)).to_have_count(left)
    expect(page.get_by_role("heading", name="All checked")).to_be_visible()
    assert [one["add_tags"] for one in dated.shelf.changes] == [["missed"], ["missed"]]
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_role("heading", name="No tag seems missing")).to_be_visible()


def test_keys_go_from_row_to_row_and_a_picture_is_shown_large(visit, dated):
    suspect(dated)
    page = visit.open(f"{dated.url}?view=wrong-tags")
    page.get_by_role("button", name="It's right").first.focus()
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first.get_by_role("button", name="It's right")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first.get_by_role("button", name="Remove tag")).to_be_focused()
    rows(page).first.get_by_role("link").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(rows(page).first.get_by_role("link")).to_be_focused()


def test_a_change_that_fails_leaves_the_row(visit, dated):
    suspect(dated)
    page = visit.open(f"{dated.url}?view=wrong-tags")
    expect(rows(page)).to_have_count(3)
    dated.shelf.error = Unavailable("Nothing answers at http://127.0.0.1:8001.")
    page.get_by_role("button", name="Remove tag").first.click()
    expect(page.locator("#undo")).to_contain_text("Part of the service is starting or stopped.")
    expect(rows(page)).to_have_count(3)
    visit.forgive("503")
