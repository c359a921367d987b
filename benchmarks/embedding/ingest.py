"""Ingest of a folder against the embedder's own rate over HTTP; and what a person waits meanwhile.

In each round the embedder is asked for the features of photos, as fast as it gives them, a fresh
indexer takes the whole folder in by a job (read, embed, store, cluster, publish), and timm embeds
some of the photos by the same network as in its examples: eager, one at a time. In one more ingest
a person asks for the features of a single photo every now and then.
"""

import copy
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import torch

from benchmarks.embedding import contenders, networks, speed
from services.embedder.registry import load_backbone
from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port
from shared.clients import indexer
from shared.clients.transport import Client
from shared.contracts.indexer import IngestRequest, TagsFrom
from shared.contracts.jobs import Job, JobState

_START_S = 120.0
_CLIENTS, _FILES_A_CALL = 3, 16
_QUERIES, _PAUSE_S = 60, 0.2
_POLL_S = 0.02
_BATCH = 8
_PLAIN = 96
"""Photos that timm embeds in a round."""


def measure(
    name: str, weights: dict[str, Path], photos: Path, folder: Path, rounds: int, asked: int
) -> dict[str, Any]:
    """`asked`: how many photos the embedder is asked for in a round."""
    paths = sorted(photos.rglob("*.jpg"))
    files = [path.read_bytes() for path in paths[:: max(1, len(paths) // asked)][:asked]]
    file = networks.weights_of(name, weights, folder)
    own, ingests, plain = [], [], []
    one_by_one = _plain(name, file)
    one_by_one(files[:2])
    load = os.getloadavg()[0]
    with (
        contenders.serving(name, file, folder) as url,
        contenders.over_http(url, _CLIENTS, _FILES_A_CALL) as embed,
    ):
        engine = contenders.model_of(url).engine
        embed(files[:_FILES_A_CALL])

        def rate() -> None:
            began = time.perf_counter()
            embed(files)
            own.append(len(files) / (time.perf_counter() - began))

        def ingest() -> None:
            with _indexer(url) as client:
                ingests.append(_ingest(client, photos))

        def alone() -> None:
            some = files[:_PLAIN]
            busy, began = contenders.processor_seconds(), time.perf_counter()
            one_by_one(some)
            seconds = time.perf_counter() - began
            used = contenders.processor_seconds() - busy
            plain.append(
                {"per_second": len(some) / seconds, "processor_ms": 1e3 * used / len(some)}
            )

        steps = (rate, ingest, alone)
        for number in range(rounds):
            for step in steps if number % 2 == 0 else reversed(steps):
                step()
            print(
                f"  {own[-1]:.1f} images/s; ingest {ingests[-1]}; one at a time {plain[-1]}",
                flush=True,
            )
        waiting = _waiting(url, photos, files)
    shares = [done["per_second"] / alone for done, alone in zip(ingests, own, strict=True)]
    return {
        "network": name,
        "engine": engine,
        "processor_uses": torch.backends.cpu.get_cpu_capability(),
        "photos": ingests[0]["photos"],
        "own_per_second": own,
        "ingests": ingests,
        "share": float(np.median(shares)),
        "plain": plain,
        "times_plain": _times(ingests, plain, "per_second"),
        "times_plain_processor": _times(plain, ingests, "processor_ms"),
        # What else ran: 0 on a quiet machine.
        "load_before": load,
        "waiting": waiting,
    }


def _plain(name: str, weights: str) -> contenders.Embed:
    """The network as timm's examples run it."""
    backbone = load_backbone(name, weights)
    module = copy.deepcopy(backbone.network.module)
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return contenders.plain(module, speed.transform(backbone.preprocessing))


def _times(ours: list[dict[str, float]], theirs: list[dict[str, float]], what: str) -> float:
    return float(np.median([a[what] / b[what] for a, b in zip(ours, theirs, strict=True)]))


def _ingest(client: Client, photos: Path) -> dict[str, float]:
    """A whole job, as who waits for it sees it; and its part until all is embedded and stored."""
    request = IngestRequest(source=str(photos.resolve()), tags_from=TagsFrom.NONE)
    busy = contenders.processor_seconds()
    began = time.perf_counter()
    job, embedded = client.send(indexer.ingest(request)), 0.0
    while not job.state.ended:
        time.sleep(_POLL_S)
        job = client.send(indexer.get_job(job.id))
        if not embedded and job.progress.total and job.progress.done == job.progress.total:
            embedded = time.perf_counter() - began
    seconds = time.perf_counter() - began
    count = _succeeded(job)
    return {
        "photos": count,
        "seconds": seconds,
        "embedded_s": embedded or seconds,
        "per_second": count / seconds,
        "processor_ms": 1e3 * (contenders.processor_seconds() - busy) / count,
    }


def _succeeded(job: Job) -> int:
    if job.state is not JobState.SUCCEEDED:
        raise RuntimeError(f"the ingest ended as {job.state}: {job.error}")
    return job.progress.total or 0


def _waiting(url: str, photos: Path, files: Sequence[bytes]) -> dict[str, Any]:
    """Milliseconds of a single photo's embedding, alone and beside an ingest."""
    with httpx.Client(base_url=url, timeout=60) as http:

        def ask(some: Sequence[bytes]) -> tuple[float, float]:
            parts = [("files", ("photo", data)) for data in some]
            began = time.perf_counter()
            answer = http.post("/v1/embed/images", files=parts).raise_for_status()
            stages = dict(
                stage.split(";dur=") for stage in answer.headers["Server-Timing"].split(", ")
            )
            return 1e3 * (time.perf_counter() - began), float(stages["inference"])

        def one(number: int) -> float:
            return ask([files[number % len(files)]])[0]

        quiet = [one(number) for number in range(_QUERIES)]
        batch = [ask(files[:_BATCH])[1] for _ in range(_QUERIES // _BATCH)]
        during: list[float] = []
        with _indexer(url) as client:
            for _ in _while(lambda: _ingest(client, photos)):
                during.append(one(len(during)))
                time.sleep(_PAUSE_S)
    return {
        "quiet_p50_ms": float(np.median(quiet)),
        "batch_of_8_ms": float(np.median(batch)),
        "during_p50_ms": float(np.median(during)),
        "during_p99_ms": float(np.quantile(during, 0.99)),
        "asked_during": len(during),
    }


def _while(work: Callable[[], object]) -> Iterator[None]:
    """Turns, until the work beside has ended."""
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        yield
    thread.join()


@contextmanager
def _indexer(embedder_url: str) -> Iterator[Client]:
    """A fresh indexer, with nothing in it."""
    service = Service(
        "indexer", (sys.executable, "-m", "services.indexer"), "127.0.0.1", free_port()
    )
    with TemporaryDirectory() as folder:
        env = {
            "ISE_DATA_DIR": folder,
            "ISE_HOST": "127.0.0.1",
            "ISE_LOG_LEVEL": "warning",
            "ISE_EMBEDDER_URL": embedder_url,
            "ISE_INDEXER_PORT": str(service.port),
        }
        group = ServiceGroup([service], env)
        group.start()
        try:
            group.wait_ready(_START_S)
            with Client(service.url) as client:
                yield client
        finally:
            group.stop()
