"""A service that hangs, or is gone: what needs it says so soon, and all else goes on."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.sample import draw_sample
from shared.clients import indexer, query
from shared.core.errors import Unavailable
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine, hanging

# Of a caller who doesn't wait for ever; others here have all the time they need.
HASTY = {"Prefer": "wait=3"}


def kill(engine: Engine, name: str) -> None:
    os.kill(engine.group.pids()[name], signal.SIGKILL)


def ready(engine: Engine) -> dict[str, str]:
    answer = httpx.get(f"{engine.query.base_url}/ready", timeout=30)
    assert answer.status_code == 200, answer.text
    told: dict[str, str] = answer.json()
    return told


def check_searches(engine: Engine, image_id: str, tag: str) -> None:
    """Those that need the index alone."""
    vector = engine.ask(query.search_id(image_id, limit=1, with_vector=True)).hits[0].vector
    assert engine.ask(query.search(vector=vector, limit=1)).hits[0].id == image_id
    assert engine.ask(query.search_term(tag, limit=1)).mode == "tag"
    assert engine.ask(query.find_similar_images(image_id, limit=3)).hits
    assert engine.ask(query.get_stats()).images > 0


def check_503(answer: httpx.Response) -> str:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    detail: str = answer.json()["detail"]
    return detail


def counted(engine: Engine) -> dict[str, Any]:
    """The indexer's figures, without what goes on in the background."""
    return engine.indexer.send(indexer.get_stats()).model_dump(exclude={"learning"})


@pytest.mark.slow
def test_a_service_that_hangs_or_is_gone_takes_with_it_what_needs_it_alone(
    start: Start, tmp_path: Path
) -> None:
    manifest = draw_sample(tmp_path / "sample", count=24, seed=3)
    data = next(iter(sorted(manifest.parent.rglob("*.jpg")))).read_bytes()
    with start() as engine, httpx.Client(timeout=120) as http:
        engine.ingest(manifest, clusters=2)
        asked, kept = engine.query.base_url, engine.indexer.base_url
        first = engine.ask(query.search_image(data, limit=1)).hits[0]
        image_id, tag = first.id, first.tags[0]

        def by_picture(**headers: str) -> httpx.Response:
            return http.post(f"{asked}/v1/search/image", files={"file": data}, headers=headers)

        def upload(**headers: str) -> httpx.Response:
            files = {"files": data[:-9]}
            return http.post(f"{kept}/v1/images", files=files, headers=headers)

        def of_file(name: str, **headers: str) -> httpx.Response:
            return http.get(f"{asked}/v1/images/{image_id}/{name}", headers=headers)

        with hanging(engine, "embedder"):
            assert "did not answer in time" in check_503(by_picture(**HASTY))
            assert "did not answer in time" in check_503(upload(**HASTY))
            assert "did not answer in time" in ready(engine)["warning"]
            check_searches(engine, image_id, tag)
        assert by_picture().is_success
        assert "warning" not in ready(engine)

        with hanging(engine, "indexer"):
            assert "did not answer in time" in check_503(of_file("file", **HASTY))
            assert engine.indexer.base_url in ready(engine)["warning"]
            check_searches(engine, image_id, tag)
            assert by_picture().is_success
        assert of_file("thumbnail").is_success
        before = counted(engine)

        kill(engine, "embedder")
        assert "Start the services with `ise up`." in check_503(by_picture())
        assert "Start the services with `ise up`." in check_503(upload())
        assert engine.embedder.base_url in ready(engine)["warning"]
        assert counted(engine) == before
        check_searches(engine, image_id, tag)
        with pytest.raises(Unavailable):
            engine.ask(query.search_term("a word that no image carries", limit=1))

        kill(engine, "indexer")
        for name in ("file", "thumbnail"):
            assert "Start the services with `ise up`." in check_503(of_file(name))
        assert "Start the services with `ise up`." in check_503(
            http.delete(f"{asked}/v1/images/{image_id}")
        )
        check_searches(engine, image_id, tag)
