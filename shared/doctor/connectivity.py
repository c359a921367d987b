"""The services as they are reached from here: their version, clock, key, and that models fit."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from shared.clients import embedder, query
from shared.clients.replicas import each_of
from shared.clients.transport import Client
from shared.core import tls
from shared.core.errors import ISEError
from shared.core.settings import Settings
from shared.core.version import VERSION
from shared.doctor import model_fit, ports
from shared.doctor.finding import Finding, ok, problem, warning

NAMES = ("query", "indexer", "embedder")
_CLOCK_S = 30.0
_TIMEOUT_S = 3.0
# A request of each service that needs the key and changes nothing.
_READS = {"query": "/v1/stats", "indexer": "/v1/stats", "embedder": "/v1/models"}


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield findings on all three services, and on the models if both sides answer."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    reached = asked = 0
    with httpx.Client(verify=tls.trusted(), timeout=_TIMEOUT_S, trust_env=False) as http:
        for name in NAMES:
            for url in (one for given in settings.urls_of(name) for one in each_of(given)):
                found = list(_service(http, name, url, key))
                asked += 1
                reached += not any(one.level != "ok" for one in found)
                yield from found
        if reached:
            yield from _write(http, settings.url_of("indexer"), key)
    if reached == asked:
        yield from _models(settings, key)


def _service(http: httpx.Client, name: str, url: str, key: str | None) -> Iterator[Finding]:
    try:
        health = http.get(f"{url}/health")
    except (httpx.TransportError, httpx.InvalidURL) as error:
        yield _unreachable(name, url, error)
        return
    version = _version(health)
    if version is None:
        yield problem(
            name,
            f"What answers at {url} is none of our services{_by(url)}. Look at "
            f"ISE_{name.upper()}_URL and ISE_{name.upper()}_PORT.",
        )
        return
    if version != VERSION:
        yield warning(
            name, f"{url} has version {version}, this command {VERSION}. Bring all to one version."
        )
    yield from _clock(name, health)
    try:
        yield from _readiness(http, name, url, key, version)
    except httpx.TransportError as error:
        yield _unreachable(name, url, error)


def _readiness(
    http: httpx.Client, name: str, url: str, key: str | None, version: str
) -> Iterator[Finding]:
    """Yield whether a service is ready and takes the key. Raises httpx.TransportError."""
    ready = http.get(f"{url}/ready")
    if not ready.is_success:
        yield problem(name, f"{url} is not ready: {_detail(ready)}")
        return
    if told := ready.json().get("warning"):
        yield warning(name, told)
    read = http.get(url + _READS[name], headers=_authorization(key))
    if read.status_code in (401, 403):
        yield problem(name, f"{url} refuses the key (ISE_API_KEY): {_detail(read)}")
    elif not read.is_success:
        yield problem(name, f"{url} can't answer: {_detail(read)}")
    else:
        yield ok(name, f"{url} is ready, has version {version} and accepts the key.")


def _unreachable(name: str, url: str, error: Exception) -> Finding:
    if isinstance(error, httpx.ConnectError) and not _by(url):
        return problem(name, f"Nothing answers at {url}. `ise up` starts all three services.")
    return problem(
        name,
        f"{url} does not answer as a service does{_by(url)}: {error}. Look at "
        f"ISE_{name.upper()}_URL, or end what uses the port.",
    )


def _by(url: str) -> str:
    """Return the process of this machine that listens at a URL, if any."""
    at = urlsplit(url)
    if at.hostname not in ("127.0.0.1", "localhost", "::1") or at.port is None:
        return ""
    process = ports.listener(at.port)
    return f", but the process {process}" if process else ""


def _version(health: httpx.Response) -> str | None:
    try:
        body = health.json()
    except ValueError:
        return None
    alive = isinstance(body, dict) and body.get("status") == "alive"
    return str(body.get("version", "before 0.1.0")) if alive else None


def _clock(name: str, response: httpx.Response) -> Iterator[Finding]:
    try:
        there = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return
    apart = abs((datetime.now(UTC) - there).total_seconds())
    if apart > _CLOCK_S:
        yield warning(
            "clock", f"The clock of the {name} is {apart:.0f} seconds off from here. Use NTP."
        )


def _write(http: httpx.Client, url: str, key: str | None) -> Iterator[Finding]:
    """Check that the key may write, by a request that is refused as wrong only where it may."""
    try:
        answer = http.post(
            f"{url}/v1/index/build", json={"doctor": True}, headers=_authorization(key)
        )
    except httpx.TransportError:
        return
    if answer.status_code == 403:
        yield warning("key", "The key may read, but not write: no uploads, ingests and builds.")
    elif answer.status_code == 422:
        yield ok("key", "The key may read and write." if key else "No key is asked for.")


def _models(settings: Settings, key: str | None) -> Iterator[Finding]:
    with Client(settings.url_of("query"), key) as searching:
        findings = []
        for url in settings.urls_of("embedder"):
            with Client(url, key) as embedding:
                try:
                    hosted = embedding.send(embedder.list_models())
                    yield ok("speed", model_fit.speed_of(hosted.visual))
                    held = searching.send(query.get_stats())
                    findings.append(model_fit.misfit(hosted, held))
                except ISEError as error:
                    findings.append(error.detail)
    if None in findings:
        yield ok(
            "model",
            f"The index was made with {held.model}, as is hosted."
            if held.model
            else "The index is empty, so any model fits.",
        )
    else:
        yield problem("model", str(findings[0]))


def _authorization(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"it answers {answer.status_code}."
