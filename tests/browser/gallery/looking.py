"""Find tiles, and open the gallery."""

from playwright.sync_api import Locator, Page, expect

PHONE = {"width": 390, "height": 844}


def tiles(page: Page) -> Locator:
    return page.locator(".tile")


def open_gallery(visit, stand_in, query: str = "") -> Page:
    page = visit.open(f"{stand_in.url}{query}")
    expect(tiles(page).first).to_be_visible()
    return page


def ids(page: Page) -> list[str]:
    return tiles(page).evaluate_all("all => all.map((one) => one.dataset.id)")
