"""A hit, large, over the real services: why it's there, its tags, its neighbours, its end."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from shared.clients import indexer, query
from shared.core.errors import NotFound
from tests.e2e.engine import Engine
from tests.e2e.page.conftest import Visitor
from tests.e2e.page.steps import chips, give, hits, large, names, search

LIES_OVER = """(figure) => {
  const [picture, heat] = ['img', 'canvas'].map((name) => {
    const { x, y, width, height } = figure.querySelector(name).getBoundingClientRect();
    return [x, y, width, height].join();
  });
  return picture === heat;
}"""
"""Whether the heat map is exactly where its picture is."""


@dataclass(frozen=True)
class Extra:
    """An image beside the drawn ones, under a tag of its own."""

    id: str
    engine: Engine

    @property
    def is_there(self) -> bool:
        try:
            self.engine.ask(query.get_image(self.id))
        except NotFound:
            return False
        return True


@pytest.fixture
def extra(engine: Engine) -> Iterator[Extra]:
    out = BytesIO()
    Image.frombytes("RGB", (48, 64), random.Random().randbytes(48 * 64 * 3)).save(out, "PNG")
    added = engine.indexer.send(indexer.add_images([("extra.png", out.getvalue())], ["passing"]))
    made = Extra(added.items[0].id or "", engine)
    yield made
    if made.is_there:
        engine.indexer.send(indexer.delete_image(made.id))


def is_drawn(page: Page, selector: str) -> bool:
    """Whether a canvas has anything on it."""
    return bool(
        page.locator(selector).evaluate(
            """canvas => canvas.getContext('2d')
              .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value)"""
        )
    )


def test_a_hit_opens_and_goes_back_to_its_place(visitor: Visitor, engine: Engine) -> None:
    page = search(visitor, engine, "?term=castle")
    name = names(page)[1]
    dialog = large(page, 1)
    expect(page).to_have_url(re.compile(r"\?term=castle&open=[0-9a-f]{32}$"))
    expect(dialog.get_by_role("heading", name=name)).to_be_focused()
    expect(dialog.get_by_role("list", name="Tags of this image")).to_contain_text("castle")
    page.reload()
    expect(dialog.get_by_role("heading", name=name)).to_be_visible()
    page.go_back()
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?term=castle$"))


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("picture", marks=pytest.mark.slow),
        "image",
        pytest.param("term", marks=pytest.mark.slow),
    ],
)
def test_why_it_is_like_that(visitor: Visitor, engine: Engine, sample: Path, by: str) -> None:
    if by == "picture":
        page = search(visitor, engine)
        give(page, min(sample.parent.glob("castle-*.jpg")))
    elif by == "image":
        found = engine.ask(query.search_term("castle")).hits[0]
        page = search(visitor, engine, f"?similar={found.id}")
    else:
        page = search(visitor, engine, "?term=castle")
    dialog = large(page, 1)
    why = dialog.get_by_role("button", name="Why this?")
    why.click()
    expect(dialog.locator(".why-words")).to_contain_text("Red speaks for the likeness")
    # Over both pictures; a word has none.
    expect(dialog.locator("canvas.heat")).to_have_count(1 if by == "term" else 2)
    assert is_drawn(page, "#hit .shown:not(.other) canvas.heat")
    if by != "term":
        assert is_drawn(page, "#hit .other canvas.heat")
        for figure in dialog.locator(".shown").all():
            # Both may still move while the picture itself comes.
            page.wait_for_function(LIES_OVER, arg=figure.element_handle())
    # The map stays open from picture to picture.
    title = dialog.get_by_role("heading", level=2)
    first = title.inner_text()
    page.keyboard.press("ArrowRight")
    expect(title).not_to_have_text(first)
    expect(dialog.locator("canvas.heat")).to_have_count(1 if by == "term" else 2)
    assert is_drawn(page, "#hit .shown:not(.other) canvas.heat")
    why.click()
    expect(dialog.locator("canvas.heat")).to_have_count(0)


def test_more_like_it_or_less(visitor: Visitor, engine: Engine) -> None:
    page = search(visitor, engine, "?term=castle")
    first = names(page)[0]
    large(page).get_by_role("button", name="More like this").click()
    expect(page.get_by_role("heading", name=f"Like {first}")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?similar=[0-9a-f]{32}$"))
    expect(hits(page).first).to_be_visible()
    assert first not in names(page)
    second = names(page)[0]
    large(page).get_by_role("button", name="Leave out").click()
    expect(chips(page)).to_have_text([first, second])
    expect(page).to_have_url(re.compile(r"\?similar=\w+&not-similar=\w+$"))
    expect(hits(page).first).to_be_visible()
    assert second not in names(page)


def test_its_neighbours_and_its_file(visitor: Visitor, engine: Engine) -> None:
    page = search(visitor, engine, "?term=castle")
    dialog = large(page)
    title = dialog.get_by_role("heading", level=2)
    first = title.inner_text()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == first
    neighbour = dialog.locator(".strip button").first
    name = (neighbour.get_attribute("aria-label") or "").partition(",")[0]
    neighbour.click()
    expect(title).to_have_text(name)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_its_tags_are_changed(visitor: Visitor, engine: Engine, extra: Extra) -> None:
    page = search(visitor, engine, "?term=passing")
    dialog = large(page)
    dialog.get_by_role("button", name="Edit").click()
    dialog.get_by_role("button", name="Remove passing").click()
    field = dialog.get_by_role("combobox", name="Another tag")
    field.fill("lasting")
    field.press("Enter")
    # No list of tags comes to complete what is a tag already.
    page.wait_for_timeout(400)
    # Escape in here lets go of the changes alone.
    field.press("Escape")
    expect(dialog.get_by_role("list", name="Tags of this image")).to_contain_text("passing")

    dialog.get_by_role("button", name="Edit").click()
    dialog.get_by_role("button", name="Remove passing").click()
    field.fill("lasting")
    dialog.get_by_role("button", name="Save tags").click()
    expect(dialog.get_by_role("link", name="lasting")).to_be_visible()
    assert engine.ask(query.get_image(extra.id)).tags == ["lasting"]
    dialog.get_by_role("link", name="lasting").click()
    expect(chips(page)).to_have_text(["lasting"])
    expect(hits(page)).to_have_count(1)


def test_a_delete_is_undone(visitor: Visitor, engine: Engine, extra: Extra) -> None:
    page = search(visitor, engine, "?term=passing")
    dialog = large(page)
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_be_hidden()
    expect(hits(page)).to_have_count(0)
    assert not extra.is_there
    page.get_by_role("button", name="Undo").click()
    expect(hits(page)).to_have_count(1)
    expect(page.locator("#undo")).to_contain_text("Undone.")
    assert extra.is_there
    assert engine.ask(query.get_image(extra.id)).tags == ["passing"]
