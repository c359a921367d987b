"""`python -m benchmarks.bare_route PORT FILE`: a FastAPI route that answers a file's bytes.

What such a route can do at most on this machine: it looks at no request, and its server is that of
the services with nothing added.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port

_START_S = 60


@contextmanager
def bare_route(answer: Path) -> Iterator[int]:
    """Run it as a process of its own; yield its port."""
    port = free_port()
    command = (sys.executable, "-m", __name__, str(port), str(answer))
    group = ServiceGroup([Service("bare route", command, "127.0.0.1", port)], {})
    try:
        group.start()
        group.wait_ready(_START_S)
        yield port
    finally:
        group.stop()


def _app(answer: bytes) -> FastAPI:
    app = FastAPI()

    @app.get("/ready")
    async def ready() -> Response:
        return Response()

    @app.post("/v1/search")
    async def search() -> Response:
        return Response(answer, media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        _app(Path(sys.argv[2]).read_bytes()),
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
