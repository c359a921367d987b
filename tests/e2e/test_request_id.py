"""One id in the logs of every service that a request came by."""

from pathlib import Path

import httpx

from shared.clients import indexer
from shared.core.request_id import HEADER
from tests.e2e.engine import Engine
from tests.indexer.running import until


def _lines(engine: Engine, service: str, request_id: str) -> list[str]:
    text = (engine.log_dir / f"{service}.log").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if request_id in line]


def test_a_request_id_travels_through_services_and_jobs(engine: Engine, sample: Path) -> None:
    picture = next(sample.parent.glob("castle-*.jpg"))
    # The first one took in more pictures than go into one call.
    job = engine.indexer.send(indexer.list_jobs()).jobs[-1]
    answer = httpx.post(
        f"{engine.group.url('query')}/v1/search/image",
        files={"file": picture.read_bytes()},
        headers={HEADER: "trace-me-1"},
        trust_env=False,
        timeout=60,
    )
    assert answer.headers[HEADER] == "trace-me-1"

    def told(service: str, request_id: str, request: str) -> int:
        return sum(request in line for line in _lines(engine, service, request_id))

    until(lambda: told("query", "trace-me-1", "POST /v1/search/image 200"))
    until(lambda: told("embedder", "trace-me-1", "POST /v1/embed/images 200"))
    assert told("embedder", f"job-{job.id[:12]}", "POST /v1/embed/images 200") >= 2
