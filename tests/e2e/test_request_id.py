"""One id in the logs of every service that a request came by."""

from pathlib import Path

import httpx

from shared.core.request_id import HEADER
from tests.e2e.conftest import Start


def _lines(logs: Path, service: str, request_id: str) -> list[str]:
    text = (logs / f"{service}.log").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if request_id in line]


def test_a_request_id_travels_through_services_and_jobs(
    start: Start, sample: Path, tmp_path: Path
) -> None:
    picture = next(sample.parent.glob("castle-*.jpg"))
    with start() as engine:
        job = engine.ingest(sample, build=False)
        answer = httpx.post(
            f"{engine.group.url('query')}/v1/search/image",
            files={"file": picture.read_bytes()},
            headers={HEADER: "trace-me-1"},
            trust_env=False,
            timeout=60,
        )
    assert answer.headers[HEADER] == "trace-me-1"
    logs = tmp_path / "logs"
    assert any("POST /v1/search/image 200" in line for line in _lines(logs, "query", "trace-me-1"))
    embedded = _lines(logs, "embedder", "trace-me-1")
    assert any("POST /v1/embed/images 200" in line for line in embedded)
    of_job = _lines(logs, "embedder", f"job-{job.id[:12]}")
    assert sum("POST /v1/embed/images 200" in line for line in of_job) >= 2
