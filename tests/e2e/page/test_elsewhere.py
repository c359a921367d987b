"""What pages of other addresses get, in a real browser that reaches the service on loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from playwright.sync_api import Browser, Page
from prometheus_client.parser import text_string_to_metric_families

from shared.clients import indexer as indexer_api
from shared.clients import query as query_api
from shared.contracts.indexer import Snapshots
from tests.e2e.engine import Engine
from tests.e2e.page.conftest import Launch

REBOUND = "rebound.example"


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>Elsewhere</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not to the test's output."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """A page of another port: of the same site, to the browser, and yet somebody else's."""
    server = HTTPServer(("127.0.0.1", 0), _Blank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Iterator[Browser]:
    """One whose look-ups say that a name of another is this machine."""
    browser = launch(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1")
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, elsewhere: str) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(elsewhere)
    yield page
    page.close()


def _history(engine: Engine) -> Snapshots:
    return engine.indexer.send(indexer_api.list_snapshots())


def _refusals(url: str) -> float:
    """How many POSTs a service has answered by 403."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "ise_requests_total"
        and (sample.labels["method"], sample.labels["status"]) == ("POST", "403")
    )


@pytest.mark.parametrize("service", ["query", "indexer"])
@pytest.mark.parametrize("path", ["/v1/images", "/v1/search/image", "/v1/index/build"])
def test_a_form_with_a_file_is_refused(page: Page, engine: Engine, service: str, path: str) -> None:
    """Browsers send it without asking first, whatever the page may read of the answer."""
    url = engine.group.url(service)
    before, refusals = _history(engine), _refusals(url)
    read = page.evaluate(
        """(url) => {
            const body = new FormData();
            body.append("files", new File(["picture"], "a.png", { type: "image/png" }));
            return fetch(url, { method: "POST", mode: "no-cors", body })
                .then(() => true, () => false);
        }""",
        url + path,
    )
    assert not read
    assert _refusals(url) == refusals + 1
    assert _history(engine) == before


def test_no_answer_can_be_read_shown_or_framed(page: Page, engine: Engine) -> None:
    query = engine.group.url("query")
    image = engine.ask(query_api.get_random_images(1)).images[0].id
    read = "(url) => fetch(url).then(() => 'read', () => 'refused')"
    assert page.evaluate(read, f"{query}/v1/stats") == "refused"
    shown = """(url) => new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve("shown");
        image.onerror = () => resolve("refused");
        image.src = url;
    })"""
    assert page.evaluate(shown, f"{query}/v1/images/{image}/file") == "refused"
    framed = """(url) => new Promise((resolve) => {
        const frame = document.createElement("iframe");
        frame.onload = () => resolve(true);
        frame.src = url;
        document.body.append(frame);
    })"""
    page.evaluate(framed, f"{query}/")
    assert "Image Search" not in [frame.title() for frame in page.frames[1:]]


@pytest.mark.parametrize("path", ["/", "/v1/stats", "/v1/random"])
def test_a_name_that_was_bound_anew_gets_nothing(page: Page, engine: Engine, path: str) -> None:
    port = engine.group.url("query").rpartition(":")[2]
    answer = page.goto(f"http://{REBOUND}:{port}{path}")
    assert answer is not None
    assert answer.status == 403
    assert answer.json()["type"] == "urn:ise:problem:foreign-host"
