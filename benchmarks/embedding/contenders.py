"""Ways from JPEG files to features. Each is called with files and gives a row for each."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from services.embedder.backbones.backbone import Backbone
from services.embedder.engines.engine import Engine
from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port
from shared.clients.embedder import embed_images, list_models
from shared.clients.transport import Client
from shared.contracts.embedder import ImageModel
from shared.media.images import decode

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[bytes]], Floats]

_START_S = 300


def plain(module: torch.nn.Module, transform: Any) -> Embed:
    """Embed as peers do: PIL, the transform, eager fp32, NCHW, one image at a time."""

    def embed(files: Sequence[bytes]) -> Floats:
        rows = []
        with torch.inference_mode():
            for data in files:
                image = Image.open(io.BytesIO(data)).convert("RGB")
                rows.append(module(transform(image)[None]).numpy())
        return np.concatenate(rows)

    return embed


def in_process(
    backbone: Backbone, engine: Engine, batch: int, decoders: ThreadPoolExecutor
) -> Embed:
    """An engine on batches; decoding in threads, a batch at a time, not beside the engine."""

    def pixels(data: bytes) -> NDArray[np.uint8]:
        return backbone.preprocessing(decode(data, least=backbone.preprocessing.least))

    def embed(files: Sequence[bytes]) -> Floats:
        rows = []
        for start in range(0, len(files), batch):
            rows.append(engine(np.stack(list(decoders.map(pixels, files[start : start + batch])))))
        return np.concatenate(rows)

    return embed


def bare(backbone: Backbone, engine: Engine, batch: int, files: Sequence[bytes]) -> Embed:
    """An engine alone, on pixels decoded beforehand; files must be among those given here."""
    decoded = {
        data: backbone.preprocessing(decode(data, least=backbone.preprocessing.least))
        for data in files
    }

    def embed(files: Sequence[bytes]) -> Floats:
        pixels = [decoded[data] for data in files]
        starts = range(0, len(files), batch)
        return np.concatenate([engine(np.stack(pixels[i : i + batch])) for i in starts])

    return embed


@contextmanager
def serving(
    name: str,
    weights: str,
    folder: Path,
    precision: str = "",
    more: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The service with its default settings, but for the precision and `more`: its address."""
    port = free_port()
    service = Service("embedder", (sys.executable, "-m", "services.embedder"), "127.0.0.1", port)
    env = {
        "ISE_DATA_DIR": str(folder / "data"),
        "ISE_CACHE_DIR": str(folder / "cache"),
        "ISE_EMBEDDER_PORT": str(port),
        "ISE_HOST": "127.0.0.1",
        "ISE_BACKBONE": name,
        "ISE_WEIGHTS": weights,
        "ISE_PRECISION": precision,
        "ISE_LOG_LEVEL": "warning",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
        **(more or {}),
    }
    group = ServiceGroup([service], {key: value for key, value in env.items() if value})
    group.start()
    try:
        group.wait_ready(_START_S)
        yield service.url
    finally:
        group.stop()


def model_of(url: str) -> ImageModel:
    """Return the service's network, once its speed is known."""
    with Client(url) as client:
        for _ in range(60):
            found = client.send(list_models()).visual
            if found.speed is not None:
                break
            time.sleep(1)
        return found


@contextmanager
def over_http(url: str, clients: int, files_a_call: int) -> Iterator[Embed]:
    """The service, asked by some clients at a time."""
    with Client(url) as client, ThreadPoolExecutor(clients) as threads:

        def embed(files: Sequence[bytes]) -> Floats:
            starts = range(0, len(files), files_a_call)
            calls = [
                embed_images(files[start : start + files_a_call], bulk=True) for start in starts
            ]
            return np.concatenate([rows.vectors for rows in threads.map(client.send, calls)])

        yield embed


def processor_seconds() -> float:
    """The processor time of this process and all that it started."""
    ticks: dict[int, int] = {}
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid = int(path.parent.name)
        below.setdefault(int(fields[1]), []).append(pid)
        ticks[pid] = int(fields[11]) + int(fields[12])
    waiting, total = [os.getpid()], 0
    while waiting:
        pid = waiting.pop()
        total += ticks.get(pid, 0)
        waiting += below.get(pid, [])
    return total / os.sysconf("SC_CLK_TCK")
