"""Each view in each of its states, at each width, light and dark: accessible, never too wide."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.dated import WIDTHS, dated, suspect
from tests.browser.stand_in import StandIn

pytestmark = pytest.mark.slow

SERVICE = re.compile(r"/v1/")
PATIENCE_MS = 30_000
JOB = {
    "id": "7",
    "kind": "ingest",
    "state": "succeeded",
    "created_at": "2026-11-20T10:00:00+00:00",
    "request": {"source": "/pictures"},
    "progress": {"done": 45, "total": 45},
    "result": {"embedded": 45, "already_there": 0, "failed": 0},
}
RUNNING = JOB | {
    "id": "8",
    "state": "running",
    "result": None,
    "progress": {"done": 12, "total": 45, "stage": "embedding", "eta_s": 90.0, "per_second": 3.2},
}
SNAPSHOT = {
    **{"number": 7, "current": True, "created_at": JOB["created_at"], "reason": "build"},
    **{"images": 45, "clusters": 8, "model": "stand-in", "network": None},
}
AXE = """async ([rules]) => {
  const options = rules ? { runOnly: { type: "rule", values: rules } } : {};
  const { violations } = await axe.run(document, options);
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(" ")}`);
}"""


@dataclass(frozen=True)
class View:
    """A view: where it is, and what it shows in each of its states.

    empty: None where it has no such state. working: brings it into the state of something that
    takes long; None: its thumbnails take long.
    """

    path: str
    full: str
    empty: str | None = ".state:not(.error)"
    loading: str = ".blocks"
    error: str = ".state.error"
    working: Callable[[Page], None] | None = None


def _facets(page: Page) -> None:
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("heading", name="Cameras")).to_be_visible(timeout=PATIENCE_MS)


def _waiting_months(page: Page) -> None:
    """The days are counted; the pictures of them are still awaited."""
    page.route(re.compile(r"/v1/images\?"), lambda _: None)
    page.reload()
    expect(page.locator(".waiting").first).to_be_visible(timeout=PATIENCE_MS)


def _loading_more(page: Page) -> None:
    page.route(re.compile(r"/v1/search"), lambda _: None)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.get_by_text("Loading more")).to_be_visible(timeout=PATIENCE_MS)


def _comparing(page: Page) -> None:
    told = {"id": "8", "state": "running", "progress": {"stage_done": 12, "stage_total": 45}}
    plan = {"pictures": 0, "waiting": 45, "delete": 0, "groups": [], "total": 0, "next": None}
    page.route("**/v1/duplicates/plan*", lambda route: route.fulfill(json=plan))
    page.route("**/v1/duplicates/compare", lambda route: route.fulfill(json=told))
    page.route("**/v1/jobs/8", lambda route: route.fulfill(json=told))
    page.reload()
    page.get_by_role("button", name="Compare 45 pictures").click()
    expect(page.get_by_text("Comparing: 12 of 45")).to_be_visible(timeout=PATIENCE_MS)


def _changing(page: Page) -> None:
    """A tag that looks wrong is being removed."""
    page.route("**/v1/images/bulk", lambda _: None)
    page.get_by_role("button", name=re.compile("^Remove tag ")).first.click()


def _running(page: Page) -> None:
    page.route(re.compile(r"/v1/jobs$"), lambda r: r.fulfill(json={"jobs": [RUNNING, JOB]}))
    page.reload()
    expect(page.get_by_role("progressbar", name=re.compile("^Progress of"))).to_be_visible(
        timeout=PATIENCE_MS
    )


VIEWS = {
    "photos": View("", ".tile img.here", working=_waiting_months),
    "filters": View("?filters", ".facet", empty=None, loading=".blocks"),
    "favourites": View("?view=favourites", ".tile img.here", working=_waiting_months),
    "map": View("?view=map", ".map-place"),
    "tags": View("?view=tags", ".card img.here"),
    "labels": View("?view=labels", ".card"),
    "wrong tags": View("?view=wrong-tags", ".audit img.here", working=_changing),
    "missing tags": View("?view=missing-tags", ".audit img.here"),
    "folders": View("?view=folders", ".card img.here"),
    "folder": View("?view=folders&folder=trips", ".tile img.here", working=_waiting_months),
    "duplicates": View("?view=duplicates", ".group img.here", working=_comparing),
    "trash": View("?view=trash", ".trashed img.here"),
    "search": View("?term=sun", ".hit img.here", loading=".skeleton", working=_loading_more),
    "picture": View("?open=p01", "#hit .shown img", empty=None),
    "manage": View(
        "manage",
        ".job-name",
        empty="#jobs-title",
        loading="#jobs-title",
        error="[role=alert]",
        working=_running,
    ),
}


@pytest.fixture(scope="module")
def shown(pictures) -> list:
    found = [replace(one, labels=(("beagle", 0.9),)) for one in dated(pictures)]
    return [replace(p, tags=(*p.tags, "favourite")) if n % 3 else p for n, p in enumerate(found)]


@pytest.fixture
def full(start, shown) -> StandIn:
    stand_in = start([*shown, *(replace(shown[0], id=f"more{n}") for n in range(80))])
    stand_in.shelf.trash = [replace(p, id=f"gone-{p.id}") for p in shown[:3]]
    stand_in.shelf.groups = [["p00", "p01"]]
    suspect(stand_in)
    return stand_in


@pytest.fixture
def page(browser) -> Iterator[Page]:
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def _managed(page: Page, jobs: list) -> None:
    """What only the indexer answers, which the stand-in has none of."""
    page.route(re.compile(r"/v1/jobs$"), lambda r: r.fulfill(json={"jobs": jobs}))
    page.route("**/v1/snapshots", lambda r: r.fulfill(json={"snapshots": [SNAPSHOT]}))
    page.route("**/v1/index", lambda r: r.fulfill(json={"advice": None, "learning": None}))


@contextmanager
def _answering(page: Page, with_: Callable[[Route], None]) -> Iterator[None]:
    page.route(SERVICE, with_)
    yield
    page.unroute(SERVICE)


def _away(route: Route) -> None:
    told = {"type": "about:blank", "title": "Unavailable", "status": 503}
    told |= {"detail": "Nothing answers at http://10.0.0.7:8001."}
    route.fulfill(status=503, json=told, content_type="application/problem+json")


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_in_each_of_its_states(page, full, start, name):
    view = VIEWS[name]
    url = full.url + view.path.replace("?filters", "")
    wrong: list[str] = []
    is_managed = name == "manage"
    if is_managed:
        _managed(page, [JOB])

    def look(state: str, shows: str | Locator) -> None:
        seen = page.locator(shows) if isinstance(shows, str) else shows
        expect(seen.first, f"{name}, {state}").to_be_visible(timeout=PATIENCE_MS)
        wrong.extend(f"{state}, {one}" for one in _wrong(page))

    page.goto(url)
    if name == "filters":
        _facets(page)
    look("full", view.full)
    if view.empty is not None:
        if is_managed:
            _managed(page, [])
        page.goto(start([]).url + view.path)
        look("empty", view.empty)
    if name not in ("filters", "picture"):
        with _answering(page, lambda _: None):
            page.goto(url)
            look("loading", view.loading)
        with _answering(page, _away):
            page.goto(url)
            look("error", view.error)
            assert not page.get_by_text("10.0.0.7").locator("visible=true").count()
    if is_managed:
        _managed(page, [JOB])
    if view.working is None:
        full.hold = threading.Event()
    page.goto(url)
    if view.working is not None:
        view.working(page)
    look("taking long", "#results > *:visible, #jobs-title:visible")
    if full.hold is not None:
        full.hold.set()
    assert wrong == []


def _wrong(page: Page) -> Iterator[str]:
    """Everything at both ends of the widths; of the dark scheme, its contrast as well."""
    page.evaluate(AXE_SCRIPT)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            yield f"{width}: too wide"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            whole = (width, scheme) in ((WIDTHS[0], "light"), (WIDTHS[-1], "dark"))
            rules = None if whole else ["color-contrast"]
            yield from (f"{width}, {scheme}: {one}" for one in page.evaluate(AXE, [rules]))
    page.set_viewport_size({"width": WIDTHS[0], "height": 860})
