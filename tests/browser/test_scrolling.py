"""Endless scrolling: it goes on, keeps its place, and doesn't grow."""

import sys
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.asking import HITS, expect_outcome, first_hit
from tests.e2e.processes import resident_bytes

TOP_ROW = """() => {
  const boxed = (hit) => [hit, hit.getBoundingClientRect()];
  const hits = [...document.querySelectorAll('.hit')].map(boxed);
  const [, { top }] = hits.find(([, { bottom }]) => bottom > 0);
  return hits.filter(([, box]) => Math.abs(box.top - top) < 2).map(
    ([hit]) => hit.querySelector('.name').textContent);
}"""
SHAPES_COME_LATE_ONCE = """
if (!sessionStorage.getItem('loaded')) {
  const later = setTimeout;
  window.setTimeout = (run, ms, ...rest) => later(run, ms === 250 ? 0 : ms, ...rest);
  sessionStorage.setItem('loaded', 'once');
}"""


def test_more_is_loaded_on_the_way_down_and_little_is_drawn(visit, start, many):
    stand_in = start(many(300))
    page = visit.open(f"{stand_in.url}?term=sun")
    expect_outcome(page, "60 images shown, there are more.")
    for _ in range(400):
        page.mouse.wheel(0, 2000)
        page.wait_for_timeout(30)
        if page.get_by_text("End of results.").is_visible():
            break
    expect_outcome(page, "300 images shown.")
    assert page.locator(HITS).count() < 80
    assert [int(options.cursor or 0) for _, options in stand_in.asked] == [0, 60, 120, 240]


def test_a_hit_and_back_keeps_the_place(visit, start, many):
    stand_in = start(many(120))
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(first_hit(page)).to_be_visible()
    page.mouse.wheel(0, 1500)
    expect_scrolled(page, 1500)
    row = page.evaluate(TOP_ROW)
    page.get_by_role("link", name="Clear the search").evaluate("link => link.click()")
    expect(page.get_by_role("heading", name="Photos")).to_be_visible()
    page.go_back()
    expect(first_hit(page)).to_be_visible()
    assert page.evaluate(TOP_ROW) == row
    page.reload()
    expect(first_hit(page)).to_be_visible()
    # Shapes that come late the one time put the same hits in other rows.
    until(lambda: row[0] in page.evaluate(TOP_ROW), page)


def test_a_reload_keeps_the_hit_at_the_top_in_rows_that_are_others_by_now(visit, start, many):
    stand_in = start(many(120))
    visit.page.add_init_script(SHAPES_COME_LATE_ONCE)
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(first_hit(page)).to_be_visible()
    page.mouse.wheel(0, 4000)
    expect_scrolled(page, 4000)
    # A moment after scrolling ends, the place is remembered.
    until(lambda: page.evaluate("history.state.top === scrollY"), page)
    row = page.evaluate(TOP_ROW)
    page.reload()
    expect(first_hit(page)).to_be_visible()
    until(lambda: row[0] in page.evaluate(TOP_ROW), page)


def expect_scrolled(page: Page, least: int) -> None:
    until(lambda: page.evaluate("scrollY") >= least, page)


def until(condition: Callable[[], bool], page: Page) -> None:
    # The page's policy forbids `wait_for_function`, which evaluates a text.
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not happen; the page is scrolled to {page.evaluate('scrollY')}")


@pytest.mark.slow
def test_ten_thousand_hits_stay_within_300_mib(visit, start, many, capsys):
    stand_in = start(many(10_000))
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(first_hit(page)).to_be_visible()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize") / 2**20

    before = resident_mib(page)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(10)
        if page.get_by_text("End of results.").is_visible():
            break
    expect_outcome(page, "10,000 images shown.")
    # Else it counts what the browser has not tidied up yet, which a busy machine does late.
    left = heap()
    grown = resident_mib(page) - before
    with capsys.disabled():
        sys.stdout.write(f"\n10,000 hits: {grown:.0f} MiB more, {left:.0f} MiB of JavaScript\n")
    assert grown < 300
    assert page.locator(HITS).count() < 80


def resident_mib(page: Page) -> float:
    """The memory of the browser's renderers, less what they share."""
    session = page.context.browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    total = 0
    for process in processes:
        if process["type"] != "renderer":
            continue
        total += resident_bytes(process["id"])
    return total / 2**20
