"""Bombs and endless bodies, by every door of running services."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.clients import embedder, indexer, query
from shared.contracts.indexer import AddState
from shared.core.errors import BadImage
from tests import bombs
from tests.e2e.conftest import Start
from tests.e2e.engine import REPOSITORY, Engine

BOMBS = {name: make() for name, make in (bombs.SIZES | bombs.HEADERS).items()}
LIMIT = 200_000
_CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"


def test_a_bomb_is_refused_in_words_by_the_embedder_and_by_a_search(engine: Engine) -> None:
    for data in BOMBS.values():
        with pytest.raises(BadImage) as refused:
            engine.embedder.send(embedder.embed_images([data]))
        assert refused.value.extra["items"][0]["error"]
        with pytest.raises(BadImage):
            engine.ask(query.search_image(data))


def test_a_bomb_fails_alone_among_uploads_and_in_an_ingest(engine: Engine, tmp_path: Path) -> None:
    good = bombs.saved("PNG", image=bombs.striped())
    files = list(BOMBS.items())
    added = engine.indexer.send(indexer.add_images([*files, ("good.png", good)], []))
    assert [item.state for item in added.items[:-1]] == [AddState.FAILED] * len(BOMBS)
    assert all(item.error for item in added.items[:-1])
    assert added.items[-1].state is AddState.ADDED
    for number, data in enumerate(BOMBS.values()):
        (tmp_path / f"{number}.jpg").write_bytes(data)
    (tmp_path / "good.png").write_bytes(good)
    job = engine.ingest(tmp_path, build=False)
    assert job.progress.failed == len(BOMBS)
    failures = engine.indexer.send(indexer.list_job_failures(job.id)).failures
    assert len(failures) == len(BOMBS)
    engine.indexer.send(indexer.delete_image(str(added.items[-1].id)))


def bodies() -> Iterator[tuple[str, str, str, str]]:
    """Service, method, path and content type of every call that takes a body."""
    for service in ("query", "indexer", "embedder"):
        told = json.loads((REPOSITORY / "docs" / "openapi" / f"{service}.json").read_text())
        for path, item in told["paths"].items():
            for method, operation in item.items():
                for content_type in operation.get("requestBody", {}).get("content", {}):
                    yield service, method.upper(), path.replace("{image_id}", "a"), content_type


@pytest.mark.slow
def test_a_body_over_the_limit_is_refused_before_it_is_read(start: Start) -> None:
    """By what it announces, without a byte of it; where it announces nothing, at the limit."""
    with start(ISE_MAX_BODY_BYTES=str(LIMIT)) as engine:
        calls = list(bodies())
        assert len(calls) >= 29
        for service, method, path, content_type in calls:
            port = int(engine.group.url(service).rpartition(":")[2])
            boundary = "; boundary=x" if content_type.startswith("multipart") else ""
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Content-Type: {content_type}{boundary}\r\n"
            )
            announced = answer(port, head + "Content-Length: 1000000000000\r\n\r\n", b"")
            assert announced == 413, (service, method, path)
            begin = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            first = b"%x\r\n%b\r\n" % (len(begin), begin) if boundary else b""
            endless = head + "Transfer-Encoding: chunked\r\n\r\n"
            refused = answer(port, endless, first + _CHUNK * (LIMIT // 0x4000 + 2))
            # Without a network there is nothing to project with, and no reason to read the rows.
            expected = 409 if path == "/v1/matching/project" else 413
            assert refused == expected, (service, method, path)


def answer(port: int, head: str, body: bytes) -> int:
    """The status that comes while the body has not ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(head.encode())
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(body)
        return int(connection.recv(64).split()[1])
