"""What only a real process or a real socket shows."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from services.embedder.app import create_app
from services.embedder.config import EmbedderSettings
from shared.clients import embedder
from shared.clients.transport import Client
from shared.contracts.embedder import (
    TrainingDone,
    TrainingProgress,
    TrainingSettings,
    TrainRequest,
)
from shared.core.errors import Overloaded, Unavailable
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("variables", "code", "sentence"),
    [
        ({"ISE_WEIGHTS": "/no/such.safetensors"}, 1, "ISE_WEIGHTS=/no/such.safetensors: there is"),
        ({"ISE_PROFILE": "maxi"}, 2, "ISE_PROFILE=maxi"),
        ({"ISE_INFERENCE": "tensorrt"}, 2, "`auto`, `eager`, `compile` or `openvino`"),
    ],
)
def test_a_setting_that_cannot_work_ends_it_with_a_sentence(variables, code, sentence, tmp_path):
    port = str(free_port())
    ended = subprocess.run(
        [sys.executable, "-m", "services.embedder"],
        cwd=REPOSITORY,
        env=os.environ | {"ISE_DATA_DIR": str(tmp_path), "ISE_EMBEDDER_PORT": port} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == code
    assert sentence in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


@contextmanager
def serving(settings):
    """The app behind a socket; gives a client of it."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        with Client(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(120)


def until(send, refusal):
    """Sends until it is no longer refused in that way."""
    end = time.monotonic() + 120
    while True:
        try:
            return send()
        except refusal:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.slow
def test_hanging_up_ends_the_training(tmp_path):
    with serving(EmbedderSettings(_env_file=None, data_dir=tmp_path)) as client:
        models = until(lambda: client.send(embedder.list_models()), Unavailable)
        folder = tmp_path / "training" / "long"
        folder.mkdir(parents=True)
        np.save(
            folder / "features.npy", np.random.default_rng(0).normal(size=(500, 256)).astype("f4")
        )
        tags = {"terms": ["dog", "cat"], "image_terms": [[i % 2] for i in range(500)]}
        tags["fingerprint"] = models.matching.fingerprint
        (folder / "tags.json").write_text(json.dumps(tags))

        long = TrainRequest(
            training_set="long", settings=TrainingSettings(epochs=1000, hidden=4096)
        )
        events = embedder.train(client, long)
        assert isinstance(next(events), TrainingProgress)
        with pytest.raises(Overloaded):
            next(embedder.train(client, long))
        assert client.send(embedder.embed_terms(["dog"], "word")).vectors.shape == (1, 200)
        events.close()

        short = TrainRequest(training_set="long", settings=TrainingSettings(epochs=1, hidden=16))
        last = until(lambda: list(embedder.train(client, short))[-1], Overloaded)
        assert isinstance(last, TrainingDone)


def test_a_body_that_never_ends_is_answered(tmp_path):
    settings = EmbedderSettings(_env_file=None, data_dir=tmp_path, embed_seconds=1)
    with serving(settings) as client:
        until(lambda: client.send(embedder.list_models()), Unavailable)
        address = client.base_url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=120) as slow:
            slow.sendall(
                b"POST /v1/embed/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
            answer = b""
            while b"to arrive" not in answer and (more := slow.recv(4096)):
                answer += more
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"to arrive" in answer
