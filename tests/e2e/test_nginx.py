"""The services behind nginx with TLS, by the file of the documentation: API, upload, page, keys."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.conftest import PATIENCE_MS, SHOWN
from tests.e2e.engine import REPOSITORY, Engine, find_chromium, running
from tests.ports import free_port

pytestmark = pytest.mark.slow

HOST = "pictures.example.org"
OWN, READER, WRITER = "the-services-own-key", "reader-0123456789", "writer-0123456789"
_LOUD = ("error", "warning")
KEYS = f"reader read {READER}\nwriter read,write {WRITER}\n"

_MAIN = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass
class Site:
    """What the world sees, and the services behind it."""

    engine: Engine
    folder: Path
    port: int
    plain_port: int

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "cert.pem"))

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def ask(
        self, method: str, path: str, key: str | None = WRITER, host: str = HOST, **request: Any
    ) -> httpx.Response:
        """By the host's name, over TLS, its certificate verified."""
        headers = {"Host": f"{host}:{self.port}"} | request.pop("headers", {})
        if key:
            headers["Authorization"] = f"Bearer {key}"
        with httpx.Client(verify=self.trust, trust_env=False, timeout=60) as client:
            return client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers=headers,
                extensions={"sni_hostname": HOST},
                **request,
            )

    def log(self, service: str) -> str:
        return (self.folder / "logs" / f"{service}.log").read_text("utf-8")


@contextmanager
def _nginx(folder: Path, query_port: int, port: int, plain_port: int) -> Iterator[None]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("needs nginx: `apt-get install nginx`")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    site = (REPOSITORY / "docs" / "nginx.conf").read_text("utf-8")
    for theirs, ours in {
        f"/etc/ssl/certs/{HOST}.pem": f"{folder}/cert.pem",
        f"/etc/ssl/private/{HOST}.key": f"{folder}/key.pem",
        "127.0.0.1:8000": f"127.0.0.1:{query_port}",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
    }.items():
        assert theirs in site
        site = site.replace(theirs, ours)
    (folder / "site.conf").write_text(site)
    # As root it would go over to another user, who can't read a test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user))
    process = subprocess.Popen([program, "-c", folder / "nginx.conf", "-p", folder])
    try:
        end = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "keys").write_text(KEYS)
    settings = {
        "ISE_API_KEY": OWN,
        "ISE_API_KEYS_FILE": str(folder / "keys"),
        "ISE_ALLOWED_HOSTS": json.dumps([HOST]),
        "ISE_TRUSTED_PROXIES": json.dumps(["127.0.0.1"]),
    }
    with running(folder / "data", folder / "logs", **settings) as engine:
        port, plain_port = free_port(), free_port()
        query_port = int(engine.group.url("query").rpartition(":")[2])
        with _nginx(folder, query_port, port, plain_port):
            yield Site(engine, folder, port, plain_port)


@pytest.fixture(scope="module")
def picture(sample: Path) -> Path:
    return next(sample.parent.glob("castle-*.jpg"))


@pytest.fixture(scope="module")
def added(site: Site, picture: Path) -> str:
    """The id of a picture that came in by way of nginx."""
    files = {"files": (picture.name, picture.read_bytes(), "image/jpeg")}
    answer = site.ask("POST", "/v1/images", files=files, data={"tags": "castle"})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["items"][0]["id"]
    return found


def test_plain_http_leads_to_tls(site: Site) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{site.plain_port}/?term=x", headers={"Host": HOST}, trust_env=False
    )
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"https://{HOST}/?term=x"


def test_a_picture_is_added_and_found_by_picture_and_term(
    site: Site, picture: Path, added: str
) -> None:
    by_picture = site.ask(
        "POST", "/v1/search/image", READER, files={"file": picture.read_bytes()}
    ).json()
    assert by_picture["hits"][0]["id"] == added
    by_term = site.ask("GET", "/v1/search?term=castle", READER)
    assert [hit["id"] for hit in by_term.json()["hits"]] == [added]
    assert by_term.headers["Strict-Transport-Security"]
    assert by_term.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    thumbnail = site.ask("GET", f"/v1/images/{added}/thumbnail", READER)
    assert thumbnail.headers["Content-Type"] == "image/jpeg"


def test_the_page_is_used_in_a_browser(site: Site, picture: Path, added: str) -> None:
    path = find_chromium()
    if path is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        rules = f"--host-resolver-rules=MAP {HOST} 127.0.0.1"
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", rules])
        page = browser.new_page(ignore_https_errors=True)
        page.set_default_timeout(PATIENCE_MS)
        page.on(
            "console", lambda said: complaints.append(said.text) if said.type in _LOUD else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"https://{HOST}:{site.port}/")
        page.get_by_role("textbox", name="Key").fill(READER)
        page.keyboard.press("Enter")
        box = page.get_by_role("combobox")
        box.fill("castle")
        box.press("Enter")
        expect(page.locator("#results .hit").first).to_be_visible()
        page.wait_for_function(SHOWN)
        # Alone: no network has been trained by which to search by a word and a picture at once.
        page.get_by_role("button", name="Remove castle").click()
        expect(page.locator("main")).not_to_contain_text(picture.name)
        page.locator("input[type=file]").first.set_input_files(picture)
        expect(page.locator("main")).to_contain_text(picture.name)
        browser.close()
    # Chromium itself tells of the first call, which had no key yet.
    assert [text for text in complaints if "401" not in text] == []


def test_a_key_to_read_writes_nothing_here_either(site: Site, added: str) -> None:
    refused = site.ask("DELETE", f"/v1/images/{added}", READER)
    assert (refused.status_code, refused.json()["scope"]) == (403, "write")
    assert site.ask("GET", f"/v1/images/{added}", READER).status_code == 200
    assert site.ask("GET", "/v1/stats", key=None).status_code == 401


def test_the_keys_of_all_services_change_with_their_file(site: Site, added: str) -> None:
    assert site.ask("GET", "/v1/jobs", READER).status_code == 200
    site.keys.write_text(KEYS.replace("reader ", "#"))
    try:
        assert site.ask("GET", "/v1/stats", READER).status_code == 401
        indexer = site.engine.group.url("indexer")
        headers = {"Authorization": f"Bearer {READER}"}
        assert httpx.get(f"{indexer}/v1/jobs", headers=headers, trust_env=False).status_code == 401
        assert site.ask("GET", "/v1/jobs").status_code == 200
    finally:
        site.keys.write_text(KEYS)
    assert site.ask("GET", "/v1/jobs", READER).status_code == 200


def test_no_folder_of_the_machine_may_be_ingested_from_outside(site: Site, sample: Path) -> None:
    refused = site.ask("POST", "/v1/ingest", json={"source": str(sample)})
    assert refused.status_code == 403
    assert "ISE_INGEST_ROOTS" in refused.json()["detail"]


def test_another_name_and_another_site_are_refused(site: Site) -> None:
    other = site.ask("GET", "/v1/stats", host="elsewhere.example")
    assert (other.status_code, other.json()["type"]) == (403, "urn:ise:problem:foreign-host")
    own = {"Origin": f"https://{HOST}:{site.port}"}
    foreign = {"Origin": "https://elsewhere.example"}
    body = {"term": "castle"}
    assert site.ask("POST", "/v1/search", json=body, headers=own).status_code == 200
    answer = site.ask("POST", "/v1/search", json=body, headers=foreign)
    assert answer.json()["type"] == "urn:ise:problem:foreign-page"


def written(site: Site, service: str, request_id: str) -> str:
    """The line of a write, which comes to the file by way of a thread that listens."""
    end = time.monotonic() + 120
    while True:
        found = [
            line
            for line in site.log(service).splitlines()
            if request_id in line and " write {" in line
        ]
        if found or time.monotonic() > end:
            [line] = found
            return line
        time.sleep(0.05)


def test_a_write_is_logged_with_the_true_address_and_the_key_is_not(site: Site, added: str) -> None:
    headers = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    answer = site.ask("PATCH", f"/v1/images/{added}", json={"tags": ["castle"]}, headers=headers)
    assert answer.status_code == 200
    for service in ("query", "indexer"):
        line = written(site, service, answer.headers["X-Request-ID"])
        write = json.loads(line.partition(" write ")[2])
        assert (write["key"], write["action"], write["status"]) == ("writer", "patch_image", 200)
        assert write["address"] == "127.0.0.1"
        assert not any(key in site.log(service) for key in (OWN, READER, WRITER))


def test_figures_are_not_shown_outside(site: Site) -> None:
    assert site.ask("GET", "/metrics", key=None).status_code == 404


def test_a_body_over_the_limit_is_refused_by_its_length(site: Site) -> None:
    request = (
        f"POST /v1/images HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {WRITER}\r\n"
        f"Content-Length: {600 * 2**20}\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=120) as plain,
        site.trust.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(request.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
