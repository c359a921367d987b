"""How the search view looks on a phone and in the dark, and how soon it's there."""

import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.engine import Engine
from tests.e2e.page.conftest import Visitor
from tests.e2e.page.steps import give, hits, large

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

# From when the answer is there to when the first hits are.
DRAWN = """() => {
  const watch = new MutationObserver(() => {
    if (!document.querySelector('#results .hit')) return;
    watch.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const asked = performance.getEntriesByType('resource')
        .filter(({name}) => name.endsWith('/v1/search')).at(-1);
      window.drawnAfter = performance.now() - asked.responseEnd;
    }));
  });
  watch.observe(document.querySelector('#results'), {childList: true, subtree: true});
}"""


def test_on_a_phone_nothing_is_too_wide(visitor: Visitor, engine: Engine, sample: Path) -> None:
    page = visitor.open(engine.group.url("query"), **PHONE)
    give(page, min(sample.parent.glob("castle-*.jpg")))
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 390
    dialog = large(page, 1)
    dialog.get_by_role("button", name="Why this?").click()
    expect(dialog.locator("canvas.heat")).to_have_count(2)
    assert page.locator("#hit").evaluate("view => view.scrollWidth") <= 390
    for button in dialog.get_by_role("button").all():
        box = button.bounding_box()
        assert box is None or box["height"] >= 24


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_follows_the_colour_scheme(
    visitor: Visitor, engine: Engine, scheme: str, dark: bool
) -> None:
    page = visitor.open(f"{engine.group.url('query')}/?term=castle", color_scheme=scheme)
    expect(hits(page).first).to_be_visible()
    for selector in ("body", "#hit"):
        colour = page.locator(selector).evaluate("e => getComputedStyle(e).backgroundColor")
        red = int(colour.removeprefix("rgb(").split(",")[0])
        assert (red < 60) is dark


def test_the_first_hits_are_drawn_soon(
    visitor: Visitor, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    page = visitor.open(engine.group.url("query"))
    page.evaluate(DRAWN)
    box = page.get_by_role("combobox")
    box.fill("castle")
    box.press("Enter")
    expect(hits(page).first).to_be_visible()
    page.wait_for_function("() => window.drawnAfter !== undefined")
    took = page.evaluate("window.drawnAfter")
    assert took > 0
    with capsys.disabled():
        sys.stdout.write(f"\nfirst hits drawn {took:.0f} ms after their answer\n")
