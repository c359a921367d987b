"""A trace goes from whoever calls to the embedder, and to a receiver of OTLP."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.core.trace import HEADER
from shared.media.identity import content_id
from shared.web import otel
from tests.indexer.running import until
from tests.receiver import receiving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


@pytest.mark.slow
def test_a_search_is_one_trace_from_the_caller_to_the_embedder(
    embedder_with: Callable[..., Any],
    service_at: Any,
    tmp_path: Path,
    picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def paths() -> set[str]:
        traced = [one for one in caplog.records if getattr(one, "trace_id", "") == TRACE]
        return {vars(one)["path"] for one in traced}

    data = picture(1)
    with receiving() as receiver:
        monkeypatch.setenv(otel.ENDPOINT, receiver.url)
        with embedder_with() as embedder:
            embedder.mount(tmp_path / "data")
            with service_at(tmp_path / "data", embedder.url) as service:
                service.add(data, picture(2), tags=["red"])
                with caplog.at_level(logging.INFO, "shared.web.metrics"):
                    answer = service.query_http.post(
                        "/v1/search/image",
                        files={"file": ("a.png", data)},
                        headers={HEADER: f"00-{TRACE}-{CALLER}-01"},
                    )
                    # A request is logged a moment after its answer.
                    until(lambda: {"/v1/search/image", "/v1/embed/images"} <= paths())
                assert answer.json()["hits"][0]["id"] == content_id(data)
    spans = [span for span in receiver.spans if span.trace_id == TRACE]
    by_id = {span.span_id: span for span in spans}
    [root] = [span for span in spans if span.parent_id == CALLER]
    assert (root.service, root.name) == ("ise-query", "POST /v1/search/image")
    # Each other span is below another one of the same trace.
    assert all(span.parent_id in by_id for span in spans if span is not root)
    of_query = {span.name for span in spans if span.service == "ise-query"}
    assert {"embed", "probe", "rank", "answer"} <= of_query
    requests = [s for s in spans if s.name == "POST /v1/embed/images"]
    assert requests
    for request in requests:
        assert request.service == "ise-embedder"
        assert by_id[request.parent_id].name == "embed"
        assert {s.name for s in spans if s.parent_id == request.span_id} == {"embed"}
    # The upload began a trace of its own, in which the indexer published.
    [publish] = [s for s in receiver.spans if s.name == "publish" and s.trace_id != TRACE][-1:]
    assert publish.service == "ise-indexer"


def test_an_address_without_the_extra_is_told_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import sys

    monkeypatch.setenv(otel.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.WARNING):
        assert otel.exporting("query") is None
    assert "pip install 'image-search-engine[otel]'" in caplog.text


def test_nothing_is_exported_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(otel.ENDPOINT, raising=False)
    assert otel.exporting("query") is None
