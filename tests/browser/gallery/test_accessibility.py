"""axe-core finds nothing serious in any view."""

import threading
from dataclasses import replace
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from shared.core.errors import Unavailable
from tests.browser.dated import suspect
from tests.browser.gallery.looking import tiles

VIEWS = (
    "",
    "?view=favourites",
    "?view=tags",
    "?view=labels",
    "?view=wrong-tags",
    "?view=missing-tags",
    "?view=judge",
    "?view=folders",
    "?view=duplicates",
    "?view=trash",
)


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1440, "light"),
        *(
            pytest.param(width, scheme, marks=pytest.mark.slow)
            for width, scheme in ((1440, "dark"), *product((1024, 390), ("light", "dark")))
        ),
    ],
)
def test_nothing_serious_in_any_view_and_nothing_too_wide(browser, dated, width, scheme):
    dated.shelf.groups = [["p00", "p01"]]
    suspect(dated)
    dated.shelf.trash = [replace(dated.pictures[0], id="gone")]
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    found = []
    for view in (*VIEWS, "?open=p01"):
        page.goto(f"{dated.url}{view}")
        expect(page.locator("#results > *").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        found += [(view, one) for one in serious(page)]
    page.close()
    assert found == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_serious_while_it_loads_is_empty_or_fails(browser, start, dated, scheme):
    page = browser.new_page(color_scheme=scheme)
    empty = start([])
    found = []
    for view in VIEWS:
        page.goto(f"{empty.url}{view}")
        expect(page.locator(".state")).to_be_visible()
        found += [(view, one) for one in serious(page)]
    dated.shelf.error = Unavailable("The index is being moved.")
    for view in VIEWS:
        if view == "?view=tags":
            continue
        page.goto(f"{dated.url}{view}")
        expect(page.locator(".state.error")).to_be_visible()
        found += [(view, one) for one in serious(page)]
    dated.shelf.error = None
    dated.hold = threading.Event()
    page.goto(dated.url)
    expect(tiles(page).first).to_be_visible()
    found += serious(page)
    dated.hold.set()
    page.close()
    assert found == []


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical, each with where it is."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
