"""A picture, large, by pointer and by touch; and the way through the dates."""

from playwright.sync_api import CDPSession, Page, expect

from tests.browser.gallery.looking import PHONE, open_gallery


def _transform(page: Page) -> str:
    return page.locator("#hit .shown").last.get_attribute("style") or ""


def _heading(page: Page, name: str) -> None:
    expect(page.locator("#hit").get_by_role("heading", name=name)).to_be_visible()


def test_a_picture_is_zoomed_panned_and_shown_on_the_whole_screen(visit, dated):
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.open(f"{dated.url}?open=p01")
    _heading(page, "p01.jpg")
    box = page.locator("#hit .stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    expect(page.locator("#hit .stage")).to_have_class("stage zoomed")
    before = _transform(page)
    page.mouse.down()
    page.mouse.move(x + 60, y + 20, steps=3)
    page.mouse.up()
    assert _transform(page) != before
    page.mouse.dblclick(x, y)
    expect(page.locator("#hit .stage")).to_have_class("stage")
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement !== null")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#hit .shown img").last).to_have_attribute("alt", "p02.jpg")
    assert page.evaluate("document.fullscreenElement?.className") == "stage"
    page.evaluate("document.exitFullscreen()")
    _heading(page, "p02.jpg")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#undo")).to_contain_text("The link is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == f"{dated.url}?open=p02"


def test_a_swipe_leads_to_the_next_picture_and_two_fingers_zoom(browser, dated):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{dated.url}?open=p01")
    _heading(page, "p01.jpg")
    box = page.locator("#hit .stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = context.new_cdp_session(page)
    _swipe(session, (x + 100, y), (x - 100, y + 5))
    _heading(page, "p02.jpg")
    _swipe(session, (x - 100, y), (x + 100, y + 5))
    _heading(page, "p01.jpg")
    _touch(session, "touchStart", (x - 20, y), (x + 20, y))
    for by in (40, 70, 100):
        _touch(session, "touchMove", (x - by, y), (x + by, y))
    _touch(session, "touchEnd")
    expect(page.locator("#hit .stage")).to_have_class("stage zoomed")
    context.close()


def _swipe(session: CDPSession, start: tuple[float, float], end: tuple[float, float]) -> None:
    _touch(session, "touchStart", start)
    _touch(session, "touchMove", ((start[0] + end[0]) / 2, start[1]))
    _touch(session, "touchMove", end)
    _touch(session, "touchEnd")


def _touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    told = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})


def test_the_scrubber_leads_to_a_date_by_pointer_and_by_keys(visit, dated):
    page = open_gallery(visit, dated)
    scrubber = page.get_by_role("slider", name="Go to a date")
    expect(scrubber).to_have_attribute("aria-valuetext", "May 2024")
    box = scrubber.bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] - 4, steps=4)
    expect(page.locator(".scrub-bubble")).to_be_visible()
    page.mouse.up()
    expect(page.get_by_role("heading", name="Without a date")).to_be_in_viewport()
    scrubber.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("heading", name="May 2024")).to_be_in_viewport()
    page.keyboard.press("ArrowDown")
    expect(scrubber).to_have_attribute("aria-valuetext", "Apr 2024")
