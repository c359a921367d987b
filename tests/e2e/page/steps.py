"""Steps that a visitor takes in many tests of the search view."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.e2e.engine import Engine
from tests.e2e.page.conftest import Visitor


def search(visitor: Visitor, engine: Engine, address: str = "") -> Page:
    """The search view, at a search of its own."""
    page = visitor.open(f"{engine.group.url('query')}/{address}")
    if address:
        expect(hits(page).first).to_be_visible()
    return page


def hits(page: Page) -> Locator:
    return page.locator("#results .hit")


def names(page: Page) -> list[str]:
    """What the hits that are drawn are called."""
    return page.locator("#results .hit .name").all_inner_texts()


def chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Searched by").get_by_role("listitem")


def give(page: Page, picture: Path) -> None:
    """Searches by a picture from this device."""
    page.get_by_label("Search by a picture from this device").set_input_files(picture)
    expect(chips(page)).to_have_count(1)
    expect(hits(page).first).to_be_visible()


def large(page: Page, which: int = 0) -> Locator:
    """Opens a hit; gives its dialog."""
    hits(page).nth(which).get_by_role("link").click()
    dialog = page.locator("#hit")
    expect(dialog).to_be_visible()
    return dialog
