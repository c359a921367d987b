"""The page's files as they are sent: no browser needed."""

import json
import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.query import page_files
from shared.web.auth import CallerMiddleware, KeyMiddleware
from shared.web.keys import KeyRing

PAGE = resources.files("services.query") / "page"
NAMES = sorted(entry.name for entry in PAGE.iterdir())


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    page_files.install(app)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/", "/collection", *(f"/page/{name}" for name in NAMES)])
def test_every_file_is_fenced_in(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; img-src 'self' blob: data:; ")
    assert policy.endswith("; require-trusted-types-for 'script'; trusted-types 'none'")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def test_types_do_not_depend_on_the_machine(client: TestClient) -> None:
    assert client.get("/page/main.js").headers["content-type"] == "text/javascript; charset=utf-8"
    assert client.get("/page/base.css").headers["content-type"] == "text/css; charset=utf-8"
    assert client.get("/page/favicon.svg").headers["content-type"] == "image/svg+xml"


def test_an_unchanged_file_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache"
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        again = client.get("/page/main.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == page_files.CONTENT_SECURITY_POLICY
    assert client.get("/page/main.js", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/page/none.js", "/page/", "/page/..%2fpage_files.py"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_views_share_their_frame_and_mark_their_own_link(client: TestClient) -> None:
    search, manage = client.get("/").text, client.get("/manage").text
    for shared in ("frame_icons.html", "frame_rail.html"):
        part = (PAGE / shared).read_text(encoding="utf-8")
        assert part in search
        assert part in manage.replace(' aria-current="page"', "")
    assert 'data-view="manage" aria-current="page"' in manage
    assert "aria-current" not in search
    assert "<!--" not in search + manage


def test_the_page_is_no_part_of_the_api(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["paths"] == {}


def test_the_page_needs_no_key() -> None:
    app = FastAPI()
    page_files.install(app)
    app.add_middleware(KeyMiddleware, open_paths=page_files.open_paths())
    app.add_middleware(CallerMiddleware, keys=KeyRing("open sesame"))
    client = TestClient(app)
    for path in ("/", "/collection", *(f"/page/{name}" for name in NAMES)):
        assert client.get(path).status_code == 200
    assert client.get("/v1/stats").status_code == 401


def test_the_page_names_no_other_host_and_writes_no_markup() -> None:
    for name in NAMES:
        text = (PAGE / name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), name
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=\"|<script(?! type=\"module\" src=)", text
        ), name


def test_every_style_sheet_is_linked_and_every_script_is_imported() -> None:
    """A view without its styles still works, so that no other test would notice."""
    pages = "".join((PAGE / name).read_text("utf-8") for name in NAMES if name.endswith(".html"))
    scripts = "".join((PAGE / name).read_text("utf-8") for name in NAMES if name.endswith(".js"))
    for name in NAMES:
        if name.endswith(".css"):
            assert f'href="page/{name}"' in pages, name
        if name.endswith(".js"):
            assert f'src="page/{name}"' in pages or f'"./{name}"' in scripts, name


class _Texts(HTMLParser):
    """Collects what a person reads of a page, or has read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = ["aria-label", "title", "placeholder", "alt"]
        if given.get("name") == "description":
            names.append("content")
        self.found.update(given[name].strip() for name in names if given.get(name))

    def handle_data(self, data: str) -> None:
        self.found.add(" ".join(data.split()))


def test_every_text_is_among_the_messages() -> None:
    """So that a translation has them all in one place."""
    frame = (PAGE / "messages_frame.js").read_text("utf-8")
    known = {
        json.loads(key)
        for key, said in re.findall(r"^  (\".*\"): (\".*\"),$", frame, re.MULTILINE)
        if key == said
    }
    for name in ("index.html", "manage.html"):
        texts = _Texts()
        texts.feed((PAGE / name).read_text("utf-8"))
        assert texts.found - {"", "."} <= known, name
    for name in NAMES:
        if not name.endswith(".js") or name.startswith("messages") or name == "world.js":
            continue
        code = (PAGE / name).read_text("utf-8")
        code = re.sub(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", "", code, flags=re.DOTALL)
        quoted = re.findall(r"\"([^\"\n]*)\"|`([^`]*)`", code)
        for text in (re.sub(r"\$\{[^}]*\}", "", plain or filled) for plain, filled in quoted):
            assert not re.search(r"\b[A-Z][a-z]+ [a-z]+|\b[a-z]+ [a-z]+ [a-z]+ [a-z]+", text), (
                f"{name}: {text}"
            )
