"""The grid of hits, and what is told of the answer."""

import re
import threading
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser.asking import HITS, expect_outcome, first_hit
from tests.indexer.running import until


def test_a_hit_shows_its_picture_and_how_close_it_is(visit, stand_in):
    page = visit.open(f"{stand_in.url}?similar=leaf%2600")
    expect_outcome(page, "44 images shown.")
    expect(page.get_by_role("heading", name="Like leaf-00.jpg")).to_be_visible()
    hit = first_hit(page)
    expect(hit.locator("img.here")).to_be_visible()
    expect(hit.locator(".words")).to_have_text(re.compile(r"^(Almost certain|Very likely|Likely)"))
    expect(hit.locator(".chance")).to_have_text(re.compile(r"^\d+(\.\d)?\s%$"))
    expect(hit.locator(".number")).to_have_text(re.compile(r"^0\.\d{3}$"))
    expect(hit.get_by_role("link")).to_have_accessible_name(re.compile(r"leaf-\d\d\.jpg, .*%$"))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (
            "?similar=sea%2601",
            "Looked at 38 % of the images, 3 of 8 clusters expected recall 97 % 12 ms",
        ),
        ("?term=sea", "Looked at every image with this tag exact 12 ms"),
    ],
)
def test_how_the_answer_came_about_is_told(visit, stand_in, path, line):
    page = visit.open(f"{stand_in.url}{path}")
    summary = page.locator(".how summary")
    expect(summary).to_be_visible()
    assert " ".join(" ".join(summary.locator("span").all_inner_texts()).split()) == line
    summary.click()
    stages = page.get_by_role("list", name="Time by stage").get_by_role("listitem")
    expect(stages).to_have_text(["embed 8.4\xa0ms", "probe 0.2\xa0ms", "scan 2.9\xa0ms"])
    expect(page.locator(".basis")).to_have_text("Snapshot 7, by cosine similarity of stand-in.")


def test_a_term_that_no_image_carries_says_so(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=zebra")
    expect(page.get_by_text("No image is tagged “zebra”.")).to_be_visible()
    expect_outcome(page, "45 images shown.")
    # Without a probability nothing is called likely, or a match.
    said = set(page.locator(f"{HITS} .words").all_inner_texts())
    near = {"Near in meaning", "Rather near in meaning", "Perhaps related", "Hardly related"}
    assert said <= near


def test_a_broken_thumbnail_leaves_a_placeholder(visit, stand_in):
    stand_in.broken.add("sea&02")
    page = visit.open(f"{stand_in.url}?term=sea")
    expect(page.locator(".hit", has_text="sea-02.jpg").get_by_text("No preview")).to_be_visible()
    expect(page.get_by_text("No preview").filter(visible=True)).to_have_count(1)
    visit.forgive("404")


def test_what_came_as_a_vector_has_its_id_and_a_placeholder(visit, start, pictures):
    bare = [replace(p, uri="") if p.id == "sea&02" else p for p in pictures]
    stand_in = start(bare)
    stand_in.broken.add("sea&02")
    page = visit.open(f"{stand_in.url}?term=sea")
    hit = page.locator(".hit", has_text="sea&02")
    expect(hit.get_by_text("No preview")).to_be_visible()
    visit.forgive("404")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "?term=sun",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("?similar=sea%2601", "?term=nothing")
        ),
    ],
)
def test_nothing_is_wider_than_a_small_screen(visit, stand_in, path):
    page = visit.open(f"{stand_in.url}{path}")
    expect(page.locator(".hit .name, .state, .tile").first).to_be_visible()
    for width in (768, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        # The rows follow the width of the window.
        until(lambda most=width: page.evaluate("document.documentElement.scrollWidth") <= most)


def test_rows_are_as_wide_as_the_page_and_of_one_height(visit, stand_in):
    # However late their shapes come.
    visit.page.add_init_script(
        "const later = setTimeout;"
        "window.setTimeout = (f, ms, ...rest) => later(f, ms === 250 ? 20000 : ms, ...rest);"
    )
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(page.locator(".hit img.here").nth(8)).to_be_visible()
    grid = page.locator(".hits").bounding_box()
    rows: dict[int, list[dict[str, float]]] = {}
    for picture in page.locator(".hit .picture").all():
        box = picture.bounding_box()
        rows.setdefault(round(box["y"]), []).append(box)
    full = [boxes for _, boxes in sorted(rows.items())][:3]
    for boxes in full:
        assert max(b["height"] for b in boxes) - min(b["height"] for b in boxes) <= 1
        assert max(b["x"] + b["width"] for b in boxes) == pytest.approx(
            grid["x"] + grid["width"], abs=1
        )
    # Each has room of its own shape before its picture is there.
    ratios = {round(b["width"] / b["height"], 1) for row in full for b in row}
    assert ratios <= {0.7, 0.8, 1.3, 2.0}
    assert len(ratios) >= 3


def test_thumbnails_that_come_move_nothing(visit, stand_in):
    released = threading.Event()
    stand_in.hold = released
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(page.locator(HITS).nth(8)).to_be_visible()
    before = [p.bounding_box() for p in page.locator(".hit .picture").all()]
    assert page.locator(".hit img.here").count() == 0
    released.set()
    expect(page.locator(".hit img.here").nth(8)).to_be_visible()
    assert [p.bounding_box() for p in page.locator(".hit .picture").all()] == before


def test_arrows_go_through_the_grid(visit, stand_in):
    page = visit.open(f"{stand_in.url}?term=sun")
    expect(page.locator(HITS).nth(8)).to_be_visible()
    at = "Number(document.activeElement.closest('li').dataset.index)"
    first_hit(page).get_by_role("link").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(at) == 1
    page.keyboard.press("ArrowDown")
    below = page.evaluate(at)
    assert below > 1
    page.keyboard.press("ArrowUp")
    assert page.evaluate(at) == 1
    page.keyboard.press("Home")
    assert page.evaluate(at) == 0
