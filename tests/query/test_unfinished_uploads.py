"""Uploads that never end hold up neither jobs nor pictures of others."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request

from services.query.app import create_app
from services.query.config import QuerySettings
from shared.contracts.jobs import Jobs

UPLOADS = 150


class Waiting:
    """An indexer that counts the uploads that have begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.app = FastAPI()

        @self.app.post("/v1/images")
        async def images(request: Request) -> None:
            self.begun += 1
            async for _ in request.stream():
                pass

        @self.app.get("/v1/jobs")
        async def jobs() -> Jobs:
            return Jobs(jobs=[])


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listener.close()


def test_150_unfinished_uploads_leave_everything_else_answered(tmp_path):
    indexer = Waiting()

    async def endless() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        await asyncio.Event().wait()

    async def ask(url: str) -> int:
        app = create_app(QuerySettings(_env_file=None, data_dir=tmp_path, indexer_url=url))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            uploads = [
                asyncio.create_task(http.post("/v1/images", content=endless(), headers=headers))
                for _ in range(UPLOADS)
            ]
            while indexer.begun < UPLOADS:
                await asyncio.sleep(0.01)
            status = (await http.get("/v1/jobs")).status_code
            assert app.state.gates.places["uploads"].in_hand == UPLOADS
            for upload in uploads:
                upload.cancel()
            await asyncio.wait(uploads)
            assert app.state.gates.places["uploads"].in_hand == 0
            assert app.state.gates.memory.taken == app.state.settings.kept_bytes
        for client in (app.state.indexer, app.state.uploading):
            await client.close()
        return status

    with serving(indexer.app) as url:
        assert asyncio.run(ask(url)) == 200
