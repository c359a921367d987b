"""Every view by the keyboard alone: the order of the focus, one stop per list, the way back."""

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dated import WIDTHS, dated, questions, suspect

FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect();
  const outlined = (style) => style.outlineStyle !== "none" && style.outlineWidth !== "0px";
  return {
    name: (one.getAttribute("aria-label") ?? one.textContent ?? "").trim(),
    tag: one.tagName,
    part: one.closest(".masthead, nav, main, dialog, .undo")?.tagName ?? "",
    list: one.closest(".gallery, .hits, .map-places, .tiles")?.className ?? "",
    seen: box.width > 0 && box.height > 0,
    // The frame around the field of words changes its colour instead.
    ring: outlined(getComputedStyle(one)) || one.matches(".bar input"),
  };
}"""
VIEWS = {
    "photos": "",
    "map": "?view=map",
    "tags": "?view=tags",
    "labels": "?view=labels",
    "wrong tags": "?view=wrong-tags",
    "missing tags": "?view=missing-tags",
    "judging": "?view=judge",
    "folders": "?view=folders",
    "folder": "?view=folders&folder=trips",
    "duplicates": "?view=duplicates",
    "trash": "?view=trash",
    "search": "?term=sun",
}


@pytest.fixture
def full(start, pictures):
    shown = [replace(one, labels=(("beagle", 0.9),)) for one in dated(pictures)]
    stand_in = start(shown)
    stand_in.shelf.trash = [replace(p, id=f"gone-{p.id}") for p in pictures[:3]]
    stand_in.shelf.groups = [["p00", "p01"]]
    suspect(stand_in)
    stand_in.questions = questions(stand_in)
    return stand_in


def ready(page: Page) -> None:
    """Waits for what the view shows, not for what stands in its place."""
    shown = ":is(.tile, .card, .group, .map-place, .hit, .trash-tile, .tools, .judging)"
    expect(page.locator(f"#results {shown}").first).to_be_attached()
    page.wait_for_timeout(250)


def stops(page: Page, most: int = 90) -> list[dict]:
    """Everything that Tab reaches, until it leaves the page or comes round."""
    found = []
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None:
            return found
        found.append(at)
    raise AssertionError(f"the keyboard doesn't come round: {[one['name'] for one in found][-12:]}")


@pytest.mark.slow
@pytest.mark.parametrize("width", [WIDTHS[0], WIDTHS[-1]])
@pytest.mark.parametrize("view", VIEWS)
def test_tab_goes_through_a_view_in_order_and_stops_once_in_each_list(visit, full, view, width):
    visit.page.set_viewport_size({"width": width, "height": 860})
    page = visit.open(f"{full.url}{VIEWS[view]}")
    ready(page)
    found = stops(page)
    assert found[0]["name"] == "Skip to the pictures"
    assert all(one["name"] for one in found), [one for one in found if not one["name"]]
    assert all(one["seen"] for one in found), [one for one in found if not one["seen"]]
    assert all(one["ring"] for one in found), [one for one in found if not one["ring"]]
    parts = [one["part"] for one in found if one["part"]]
    order = [part for at, part in enumerate(parts) if not at or parts[at - 1] != part]
    assert order[:3] == ["HEADER", "NAV", "MAIN"] or order[:2] == ["HEADER", "MAIN"], order
    assert order.count("MAIN") == 1
    for name in ("gallery", "map-places"):
        assert sum(name == one["list"].split(" ")[0] for one in found) <= 1


def test_skipping_leads_to_the_pictures(visit, full):
    page = visit.open(full.url)
    ready(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".tile a[tabindex='0']")).to_be_focused()


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at and at["name"].startswith(name):
            return
    raise AssertionError(f"Tab doesn't lead to {name}")


def test_pictures_are_found_looked_at_and_tagged_by_keys(visit, full):
    page = visit.open(full.url)
    ready(page)
    page.keyboard.press("/")
    expect(page.get_by_role("combobox").first).to_be_focused()
    page.keyboard.type("sun")
    page.keyboard.press("Enter")
    expect(page.locator("#results .hit")).not_to_have_count(0)
    tab_to(page, "p")
    hit = page.locator(".hit a:focus")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#hit")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('#hit') !== null")
    page.keyboard.press("Escape")
    expect(page.locator("#hit")).to_be_hidden()
    expect(hit).to_have_count(1)
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    tab_back_to(page, "Add tag")
    page.keyboard.press("Enter")
    expect(page.locator("#bulk-tag")).to_be_focused()
    page.keyboard.type("seen")
    page.keyboard.press("Enter")
    expect(page.locator("#undo")).to_contain_text("“seen” added to 1 picture.")
    page.keyboard.press("u")
    expect(page.locator("#undo")).to_contain_text("Undone.")


def tab_back_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        at = page.evaluate(FOCUSED)
        if at and at["name"].startswith(name):
            return
    raise AssertionError(f"Shift+Tab doesn't lead to {name}")


def test_filters_are_opened_set_and_let_go_by_keys(visit, full):
    page = visit.open(full.url)
    ready(page)
    tab_to(page, "Filters")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Years")).to_be_visible()
    tab_to(page, "Only 2024")
    page.keyboard.press("Space")
    expect(page.locator("#gallery-bar .total")).to_have_text("8 pictures")
    # The same facet keeps the focus, though it was drawn anew.
    expect(page.locator(".facet .with[aria-pressed='true']")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#gallery-bar .total")).to_have_text("45 pictures")


def test_a_dialog_gives_the_focus_back_to_what_opened_it(visit, full):
    page = visit.open(f"{full.url}?view=tags")
    ready(page)
    tab_to(page, "Rename sun")
    page.keyboard.press("Enter")
    expect(page.locator("#tag-name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Rename sun")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Rename sun")).to_be_focused()


def test_the_trash_is_looked_through_and_restored_by_keys(visit, full):
    page = visit.open(f"{full.url}?view=trash")
    ready(page)
    tab_to(page, "Restore all")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()


def test_duplicates_are_decided_by_keys(visit, full):
    page = visit.open(f"{full.url}?view=duplicates")
    ready(page)
    tab_to(page, "Keep only this")
    page.keyboard.press("Enter")
    expect(page.locator("#undo")).to_contain_text("moved to the trash.")
    assert [one["delete"] for one in full.shelf.changes] == [True]
