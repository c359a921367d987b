"""The page over the real services, in a real browser."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.conftest import SHOWN
from tests.e2e.engine import Engine


def test_a_term_typed_in_shows_pictures_that_carry_it(page: Page, engine: Engine) -> None:
    page.goto(engine.group.url("query"))
    box = page.get_by_role("combobox")
    box.fill("umbrella")
    box.press("Enter")
    page.wait_for_url("**/?term=umbrella*")
    expect(page.locator("main img").first).to_be_visible()
    page.wait_for_function(SHOWN)
    expect(page.locator("main")).to_contain_text("umbrella")


def test_an_uploaded_picture_finds_itself(page: Page, engine: Engine, sample: Path) -> None:
    picture = next(sample.parent.glob("castle-*.jpg"))
    page.goto(engine.group.url("query"))
    page.locator("input[type=file]").first.set_input_files(picture)
    expect(page.locator("main")).to_contain_text(picture.name)
    page.wait_for_function(SHOWN)
