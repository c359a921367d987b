"""Narrowing a search, and what is said where nothing is likely, over the real services."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from shared.clients import indexer, query
from shared.contracts.indexer import ImagePatch
from tests.e2e.engine import Engine
from tests.e2e.page.conftest import Visitor
from tests.e2e.page.steps import give, hits, names, search


@pytest.fixture(scope="module")
def with_years(engine: Engine) -> Iterator[None]:
    """The castles get a year each, and lose it again."""
    castles = engine.ask(query.search_term("castle", limit=4)).hits
    for number, hit in enumerate(castles):
        patch = ImagePatch(metadata={"year": 1990 + number // 2})
        engine.indexer.send(indexer.patch_image(hit.id, patch))
    yield
    for hit in castles:
        engine.indexer.send(indexer.patch_image(hit.id, ImagePatch(metadata={})))


def filters(page: Page) -> None:
    page.locator(".filter-toggle").click()
    expect(page.get_by_role("heading", name="Tags among")).to_be_visible()


def test_tags_of_the_hits_narrow_the_search(visitor: Visitor, engine: Engine) -> None:
    castle = engine.ask(query.search_term("castle")).hits[0]
    page = search(visitor, engine, f"?similar={castle.id}")
    filters(page)
    only = page.get_by_role("button", name=re.compile("^Only castle, "))
    only.click()
    expect(page.get_by_role("button", name="Remove the filter castle")).to_be_visible()
    expect(hits(page).first).to_be_visible()
    assert all(name.startswith("castle-") for name in names(page))
    # The panel stays, and the keyboard on it.
    expect(only).to_be_focused()
    expect(only).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Not castle").click()
    expect(page.get_by_role("button", name="Remove the filter not castle")).to_be_visible()
    expect(hits(page).first).to_be_visible()
    assert not any(name.startswith("castle-") for name in names(page))
    page.get_by_role("button", name="Remove the filter not castle").click()
    expect(page).to_have_url(re.compile(r"\?similar=\w+$"))


def test_any_of_several_tags_will_do(visitor: Visitor, engine: Engine) -> None:
    castle = engine.ask(query.search_term("castle")).hits[0]
    page = search(visitor, engine, f"?similar={castle.id}")
    filters(page)
    page.get_by_role("button", name=re.compile("^Only castle, ")).click()
    expect(page.get_by_role("button", name="Remove the filter castle")).to_be_visible()
    expect(page).to_have_url(re.compile("castle"))
    page.goto(page.url.replace("%5D", "%2C%7B%22tag%22%3A%22house%22%7D%5D", 1))
    expect(page.get_by_role("heading", name="No images found")).to_be_visible()
    page.get_by_role("button", name="Any of them").click()
    expect(hits(page).first).to_be_visible()
    assert {name.split("-")[0] for name in names(page)} == {"castle", "house"}


def test_values_of_metadata_narrow_it_too(
    visitor: Visitor, engine: Engine, with_years: None
) -> None:
    page = search(visitor, engine, "?term=castle")
    filters(page)
    page.get_by_role("button", name="Only 1990, 2 images").click()
    expect(page.get_by_role("button", name="Remove the filter year: 1990")).to_be_visible()
    expect(page.locator("#spoken")).to_have_text("2 images shown.")


def test_nothing_that_is_likely(visitor: Visitor, engine: Engine, tmp_path: Path) -> None:
    noise = tmp_path / "noise.png"
    data = random.Random(1).randbytes(64 * 64 * 3)
    Image.frombytes("RGB", (64, 64), data).save(noise)
    page = search(visitor, engine)
    give(page, noise)
    expect(page.get_by_role("heading", name="No confident match")).to_be_visible()
    tries = page.get_by_role("list", name="Suggestions")
    expect(tries.get_by_role("button")).to_have_text(["Crop to what matters", "Search exactly"])
    # The nearest are there all the same, until only likely ones are wanted.
    expect(hits(page).first).to_be_visible()
    filters(page)
    page.get_by_text("Likely matches only").click()
    expect(page.get_by_text("Nothing in the collection is likely to match.")).to_be_visible()
    expect(hits(page)).to_have_count(0)
    page.get_by_role("button", name="Show unlikely matches too").click()
    expect(hits(page).first).to_be_visible()


def test_near_duplicates_are_folded(visitor: Visitor, engine: Engine, sample: Path) -> None:
    first = min(sample.parent.glob("castle-*.jpg"))
    with Image.open(first) as image:
        copy = sample.parent.parent / "copy.jpg"
        image.save(copy, quality=70)
    added = engine.indexer.send(indexer.add_images([("copy.jpg", copy.read_bytes())]))
    copy_id = added.items[0].id or ""
    try:
        page = search(visitor, engine)
        give(page, first)
        expect(hits(page).first.get_by_role("link")).to_have_accessible_name(
            re.compile("1 near-duplicate$")
        )
        filters(page)
        page.get_by_text("Fold near-duplicates").click()
        expect(page).to_have_url(re.compile("copies=1$"))
        expect(hits(page).nth(1)).to_be_visible()
        assert set(names(page)[:2]) == {first.name, "copy.jpg"}
    finally:
        engine.indexer.send(indexer.delete_image(copy_id))
