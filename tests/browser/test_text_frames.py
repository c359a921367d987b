"""The words that a search found are framed in the large picture, where they stand."""

from playwright.sync_api import Page, expect

from shared.contracts.text import Word
from tests.browser.asking import HITS
from tests.indexer.running import until

BOX = [[0.25, 0.5], [0.75, 0.5], [0.75, 0.7], [0.25, 0.7]]


def within(page: Page, selector: str) -> dict[str, float]:
    """The box of an element as shares of the picture's."""
    picture = page.locator("dialog .shown img.here").first.bounding_box()
    box = page.locator(f"dialog {selector}").first.bounding_box()
    return {
        "left": (box["x"] - picture["x"]) / picture["width"],
        "top": (box["y"] - picture["y"]) / picture["height"],
        "width": box["width"] / picture["width"],
        "height": box["height"] / picture["height"],
    }


def about(found: dict[str, float]) -> bool:
    wanted = {"left": 0.25, "top": 0.5, "width": 0.5, "height": 0.2}
    # The line itself is two pixels wide.
    return all(abs(found[name] - value) < 0.04 for name, value in wanted.items())


def test_frames_lie_on_their_words_at_any_size_and_zoom(visit, stand_in):
    for picture in stand_in.pictures:
        word = Word(text="SIGN", confidence=0.9, line=0, box=BOX)
        stand_in.told[picture.id] = {"text": [word]}
    page = visit.open(f"{stand_in.url}?term=sea")
    page.locator(HITS).first.get_by_role("link").click()
    expect(page.get_by_role("img", name="SIGN")).to_be_visible()
    for size in ((1440, 900), (1024, 700), (390, 844)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        until(lambda: about(within(page, ".text-frames polygon")))
        stroke = page.locator("dialog .text-frames polygon").first.evaluate(
            "one => [getComputedStyle(one).stroke, getComputedStyle(one).fill]"
        )
        assert stroke == ["rgb(255, 170, 0)", "rgba(255, 214, 10, 0.18)"]
    page.keyboard.press("+")
    page.keyboard.press("+")
    until(lambda: about(within(page, ".text-frames polygon")))
