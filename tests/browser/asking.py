"""What a visitor does on the page, and what a test reads off it."""

from playwright.sync_api import Locator, Page, expect

HITS = "#results .hit"


def expect_outcome(page: Page, sentence: str) -> None:
    """What a screen reader is told, which counts hits that are not drawn, too."""
    expect(page.locator("#spoken")).to_have_text(sentence)


def chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Searched by").get_by_role("listitem")


def first_hit(page: Page) -> Locator:
    return page.locator(HITS).first


def picture_file(data: bytes, name: str = "mine.jpg") -> dict[str, object]:
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}
