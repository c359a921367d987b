"""Searching by pictures and words together, over the real services."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.engine import Engine
from tests.e2e.page.conftest import Visitor
from tests.e2e.page.steps import chips, give, hits, names, search


@pytest.fixture(scope="module")
def castle(sample: Path) -> Path:
    return min(sample.parent.glob("castle-*.jpg"))


def test_a_picture_finds_itself_and_its_address_does(
    visitor: Visitor, engine: Engine, castle: Path
) -> None:
    page = search(visitor, engine)
    give(page, castle)
    expect(page).to_have_url(re.compile(r"\?upload=[\w-]{32}$"))
    assert names(page)[0] == castle.name
    expect(hits(page).first.locator(".words")).to_contain_text("Nearly identical")
    expect(page.locator(".how summary")).to_contain_text("Looked at")
    # Another browser, which never saw the file, has it by the address.
    other = visitor.open(page.url)
    expect(chips(other).locator("img.here")).to_be_visible()
    expect(hits(other).first.locator(".name")).to_have_text(castle.name)


def test_a_picture_and_words_are_weighed_together(
    visitor: Visitor, engine: Engine, castle: Path
) -> None:
    page = search(visitor, engine)
    give(page, castle)
    box = page.get_by_role("combobox", name="Search by a word")
    box.fill("night")
    box.press("Enter")
    expect(chips(page)).to_have_text(["Your picture", "night"])
    expect(page.get_by_text("Pictures and words weighed together")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?upload=[\w-]+&term=night$"))


def test_what_has_a_minus_is_left_out(visitor: Visitor, engine: Engine) -> None:
    page = search(visitor, engine, "?term=castle")
    assert any(name.startswith("castle-") for name in names(page))
    box = page.get_by_role("combobox", name="Search by a word")
    box.fill("-castle")
    box.press("Enter")
    expect(page.get_by_role("heading", name="Add something to search for")).to_be_visible()
    box.fill("house")
    box.press("Enter")
    expect(chips(page)).to_have_text(["castle", "house"])
    expect(page.get_by_role("heading", name="“house” without “castle”")).to_be_visible()
    expect(hits(page).first).to_be_visible()
    assert not any(name.startswith("castle-") for name in names(page))
    # A press on the sign turns it.
    page.get_by_role("button", name="Without castle: look for it").click()
    expect(page).to_have_url(re.compile(r"\?term=castle&term=house$"))
    expect(page.get_by_role("button", name="With castle: leave it out")).to_be_focused()
    box.focus()
    box.press("Backspace")
    expect(chips(page)).to_have_text(["castle"])


def test_a_part_of_the_picture_is_searched_by(
    visitor: Visitor, engine: Engine, castle: Path
) -> None:
    page = search(visitor, engine)
    give(page, castle)
    page.get_by_role("button", name="Crop Your picture").click()
    box = page.get_by_role("application")
    expect(box).to_be_focused()
    expect(box).to_have_accessible_name(re.compile("^From the left 15 %, from the top 15 %, 70 %"))
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(box).to_have_accessible_name(re.compile("^From the left 13 %, from the top 13 %, 72 %"))
    # Until then the box still grows.
    expect(page.locator("#crop img")).to_have_js_property("complete", True)
    corner = box.locator(".se").bounding_box()
    assert corner is not None
    page.mouse.move(corner["x"] + 15, corner["y"] + 15)
    page.mouse.down()
    page.mouse.move(corner["x"] - 45, corner["y"] + 15, steps=4)
    page.mouse.up()
    expect(box).not_to_have_accessible_name(re.compile("72 % wide"))
    page.get_by_role("button", name="Use this part").click()
    expect(page).to_have_url(re.compile(r"upload=[\w-]+%400\.13%2C0\.13%2C0\.\d+%2C0\.72$"))
    expect(hits(page).first).to_be_visible()
    page.get_by_role("button", name="Change the crop of Your picture").click()
    page.get_by_role("button", name="Whole picture").click()
    expect(page).to_have_url(re.compile(r"upload=[\w-]+$"))
    # Escape leaves all as it is.
    page.get_by_role("button", name="Crop Your picture").click()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(page).to_have_url(re.compile(r"upload=[\w-]+$"))


def test_exact_looks_at_every_image(visitor: Visitor, engine: Engine, castle: Path) -> None:
    page = search(visitor, engine)
    give(page, castle)
    page.get_by_text("Advanced").click()
    page.get_by_text("compare with every image").click()
    expect(page.locator(".how summary")).to_contain_text("Looked at every image")
    expect(page.locator(".how summary")).to_contain_text("exact")
    page.go_back()
    expect(page.get_by_role("switch", name="Exact")).not_to_be_checked()


def test_all_of_it_by_keyboard(visitor: Visitor, engine: Engine) -> None:
    page = search(visitor, engine)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the pictures")).to_be_focused()
    while not page.get_by_role("combobox").evaluate("box => box === document.activeElement"):
        page.keyboard.press("Tab")
    with page.expect_response(re.compile(r"/v1/tags\?match=umb&")):
        page.keyboard.type("umb")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_text(["umbrella"])
    expect(hits(page).first).to_be_visible()
    link = hits(page).first.get_by_role("link")
    while not link.evaluate("link => link === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", level=2)).to_be_focused()
    expect(dialog.get_by_text(re.compile(r"^2 of \d+$"))).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text(re.compile(r"^3 of \d+$"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(hits(page).nth(2).get_by_role("link")).to_be_focused()
