"""Changes while an embedder hangs in the last step of a re-embedding: how long each takes.

Two embedders, an indexer, and in front of the new embedder a server that accepts calls and gives no
answer. Clients upload, retag and delete pictures, each waiting for the answer of the one before.
"""

import io
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from PIL import Image

from benchmarks.hanging import HangingEmbedder, hanging_embedder
from services.embedder.backbones.mini import __file__ as mini_file
from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port
from shared.clients import indexer
from shared.clients.transport import Client
from shared.contracts.images import ImagePatch
from shared.contracts.indexer import IngestRequest, ReembedRequest
from shared.contracts.jobs import Job, JobState

_START_S = 180.0
_PAUSE_S = 0.2
_WEIGHTS = Path(mini_file).parents[1] / "assets" / "mini.safetensors"


def measure(data: Path, pictures: int, seconds: float) -> dict[str, Any]:
    """Return the figures of each kind of change while the embedder hangs for so many seconds."""
    folder = data / "waiting"
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "source"
    for number in range(pictures):
        path = source / f"tag{number % 20}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_picture(number))
    (folder / "data").mkdir()
    other = folder / "other.safetensors"
    weights = safetensors.numpy.load_file(_WEIGHTS)
    changed = {n: np.ascontiguousarray(w * w.dtype.type(1.01)) for n, w in weights.items()}
    safetensors.numpy.save_file(changed, other)
    with ExitStack() as stack:
        former = stack.enter_context(_service("embedder", folder, ISE_PROFILE="mini"))
        settings = {"ISE_PROFILE": "mini", "ISE_WEIGHTS": str(other)}
        new = stack.enter_context(_service("embedder", folder, **settings))
        proxy = stack.enter_context(hanging_embedder(new))
        both = {"ISE_EMBEDDER_URL": f"{former},{proxy.url}", "ISE_LEARN_AFTER": "0"}
        url = stack.enter_context(_service("indexer", folder, **both))
        client = stack.enter_context(Client(url))
        _ended(client, client.send(indexer.ingest(IngestRequest(source=str(source.resolve())))))
        found = _while_it_hangs(client, url, proxy, pictures, seconds)
    shutil.rmtree(folder)
    return found


def _while_it_hangs(
    client: Client, url: str, proxy: HangingEmbedder, pictures: int, seconds: float
) -> dict[str, Any]:
    ids = [item.id for item in _known(client, pictures)]
    third = len(ids) // 3
    quiet = _changes(url, ids[:third], seconds, 1)
    # Until the new index is nearly there, then in its last step: what came meanwhile.
    proxy.hang(lambda path: path.startswith(("/v1/matching", "/v1/embed/terms")))
    job = client.send(indexer.reembed_index(ReembedRequest()))
    _reached(proxy)
    client.send(indexer.add_images([("late.png", _picture(-1))]))
    proxy.hang(lambda path: path == "/v1/embed/images")
    _reached(proxy)
    hung = _changes(url, ids[third:], seconds, 2)
    still = client.send(indexer.get_job(job.id))
    held = proxy.hanging > 0 and not still.state.ended
    proxy.resume()
    _ended(client, job)
    return {
        "images": pictures,
        "seconds": seconds,
        "load_average": os.getloadavg()[0],
        "niceness": os.nice(0),
        "hung_all_the_time": held,
        "quiet": quiet,
        "changes": hung,
    }


def _changes(
    url: str, ids: Sequence[str], seconds: float, part: int
) -> dict[str, dict[str, float]]:
    """Return the figures of changes for so many seconds."""
    until = time.monotonic() + seconds

    def upload(other: Client, number: int) -> None:
        other.send(indexer.add_images([(f"{number}.png", _picture(part * 10_000_000 + number))]))

    def retag(other: Client, number: int) -> None:
        tags = [f"tag{number % 20}", f"new {part} {number}"]
        other.send(indexer.patch_image(ids[number % (len(ids) // 2)], ImagePatch(tags=tags)))

    def delete(other: Client, number: int) -> None:
        other.send(indexer.delete_image(ids[len(ids) // 2 + number]))

    taken: dict[str, list[float]] = {}
    threads = [
        threading.Thread(target=_repeat, args=(url, work, until, taken.setdefault(name, []), most))
        for name, (work, most) in {
            "upload": (upload, None),
            "retag": (retag, None),
            "delete": (delete, len(ids) // 2),
        }.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        name: {
            "number": len(times),
            "p50_ms": 1e3 * float(np.median(times)),
            "p99_ms": 1e3 * float(np.quantile(times, 0.99)),
            "most_ms": 1e3 * max(times),
        }
        for name, times in taken.items()
    }


def _repeat(
    url: str,
    work: Callable[[Client, int], None],
    until: float,
    taken: list[float],
    most: int | None,
) -> None:
    number = 0
    with Client(url) as client:
        while time.monotonic() < until and number != most:
            # As people do, with a pause.
            time.sleep(_PAUSE_S)
            began = time.monotonic()
            work(client, number)
            taken.append(time.monotonic() - began)
            number += 1


def _known(client: Client, pictures: int) -> list[Any]:
    """Return the pictures of the source: uploaded again, they are known already."""
    found = []
    for start in range(0, pictures, 100):
        numbers = range(start, min(start + 100, pictures))
        files = [(f"{number}.png", _picture(number)) for number in numbers]
        found += client.send(indexer.add_images(files)).items
    return found


def _picture(seed: int) -> bytes:
    blocks = np.random.default_rng(seed + 1).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((48, 36), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def _reached(proxy: HangingEmbedder) -> None:
    if not proxy.reached.wait(_START_S):
        raise RuntimeError("the job never asked the embedder")


def _ended(client: Client, job: Job) -> None:
    while not job.state.ended:
        time.sleep(0.2)
        job = client.send(indexer.get_job(job.id))
    if job.state is not JobState.SUCCEEDED:
        raise RuntimeError(f"the job {job.kind} ended as {job.state}: {job.error}")


@contextmanager
def _service(name: str, folder: Path, **settings: str) -> Iterator[str]:
    """Run a service until the block ends; gives its address."""
    port = free_port()
    service = Service(name, (sys.executable, "-m", f"services.{name}"), "127.0.0.1", port)
    env = {
        "ISE_DATA_DIR": str((folder / "data").absolute()),
        f"ISE_{name.upper()}_PORT": str(port),
        "ISE_HOST": "127.0.0.1",
        "ISE_LOG_LEVEL": "warning",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        **settings,
    }
    group = ServiceGroup([service], env, log_dir=folder / f"logs-{port}")
    group.start()
    try:
        group.wait_ready(_START_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        group.stop()
