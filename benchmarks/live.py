"""A collection that changes while it's searched: real services, vectors of one's own.

Four clients search without pause. Meanwhile images are added and deleted, each checked at once:
what was acknowledged is found by its own vector, and what was deleted is never found again.
"""

import json
import multiprocessing
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import OK, HTTPConnection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import features
from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port
from shared.clients import indexer
from shared.clients.transport import Call, Client
from shared.contracts.features import FeaturesRequest, ImportRequest, VectorItem
from shared.contracts.indexer import BuildSettings
from shared.contracts.jobs import Job, JobState
from shared.maths.floats import SAME_FEATURES

_CLIENTS = 4
_MODEL = "benchmark"
_QUERIES = 2000
_COMPARED = 200
_START_S = 120.0


@dataclass
class Heard:
    """Observations of the clients: when each search began, its seconds, its hits; and failures."""

    began: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    hits: list[list[str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def join(self, other: "Heard") -> None:
        self.began += other.began
        self.seconds += other.seconds
        self.hits += other.hits
        self.failures += other.failures

    @property
    def figures(self) -> dict[str, float]:
        return {
            "searches": len(self.seconds),
            "failures": len(self.failures),
            "p50_ms": 1e3 * float(np.median(self.seconds)),
            "p99_ms": 1e3 * float(np.quantile(self.seconds, 0.99)),
        }


def measure(
    data: Path, rows: int, dim: int, adds: int, deletes: int, batch: int, quiet_s: float = 10.0
) -> dict[str, Any]:
    """Builds `rows` vectors, then adds and deletes while clients search; what they met.

    quiet_s: how long they search alone, before, after the compaction and after a fresh build.
    """
    folder = data / f"live-{rows}x{dim}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    drawn = np.concatenate(list(features.chunks(rows + adds + _QUERIES, dim)))
    base, new, queries = np.split(drawn, [rows, rows + adds])
    np.save(folder / "base.npy", base)
    np.save(folder / "queries.npy", queries)
    try:
        with _services(folder) as (group, client):
            session = _Session(group, client, folder / "queries.npy", quiet_s)
            source = str((folder / "base.npy").resolve())
            session.ended(
                client.send(indexer.import_vectors(ImportRequest(source=source, model=_MODEL)))
            )
            try:
                found = session.run(new, deletes, batch)
            finally:
                session.close()
            return found | {"rows": rows, "dim": dim, "batch": batch}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Session:
    def __init__(self, group: ServiceGroup, client: Client, queries: Path, quiet_s: float) -> None:
        self._group = group
        self._client = client
        self._queries = queries
        self._quiet_s = quiet_s
        self._query = HTTPConnection("127.0.0.1", _port(group, "query"))

    def run(self, new: NDArray[np.float32], deletes: int, batch: int) -> dict[str, Any]:
        quiet = self._listened(lambda: time.sleep(self._quiet_s)).figures
        print(f"  quiet: {quiet}")
        deleted: dict[str, float] = {}
        taken: dict[str, list[float]] = {"add": [], "delete": []}
        lost: list[str] = []
        heard = self._listened(lambda: self._change(new, deletes, batch, deleted, taken, lost))
        # A search that began after a deletion was acknowledged must not have the image.
        ghosts = sum(
            image_id in deleted and deleted[image_id] < began
            for began, hits in zip(heard.began, heard.hits, strict=True)
            for image_id in hits
        )
        print(f"  during: {heard.figures}, {ghosts} deleted ones found, {len(lost)} not found")
        self._wait_for_jobs()
        before = self._answers()
        self.ended(self._client.send(indexer.compact_index()))
        same = sum(map(_are_same, before, self._answers()))
        compacted = self._listened(lambda: time.sleep(self._quiet_s)).figures
        self.ended(self._client.send(indexer.build_index(BuildSettings())))
        fresh = self._listened(lambda: time.sleep(self._quiet_s)).figures
        print(f"  compacted: {compacted}, built anew: {fresh}")
        return {
            "clients": _CLIENTS,
            "quiet": quiet,
            "during": heard.figures,
            "compacted": compacted,
            "fresh": fresh,
            "adds": len(new),
            "add_call_p50_ms": 1e3 * float(np.median(taken["add"])),
            "deletes": len(taken["delete"]),
            "delete_p50_ms": 1e3 * float(np.median(taken["delete"])),
            "deleted_found": ghosts,
            "added_not_found": len(lost),
            "same_answers": [same, _COMPARED],
        }

    def _change(
        self,
        new: NDArray[np.float32],
        deletes: int,
        batch: int,
        deleted: dict[str, float],
        taken: dict[str, list[float]],
        lost: list[str],
    ) -> None:
        calls = -(-len(new) // batch)
        for number in range(calls):
            some = new[number * batch : (number + 1) * batch]
            ids = [f"new-{number}-{row}" for row in range(len(some))]
            items = [VectorItem(id=i, vector=v.tolist()) for i, v in zip(ids, some, strict=True)]
            request = FeaturesRequest(model=_MODEL, items=items)
            taken["add"].append(self._timed(indexer.add_features(request)))
            found = self._search({"vector": some[0].tolist(), "limit": 1})
            if [hit["id"] for hit in found["hits"]] != ids[:1]:
                lost.append(ids[0])
            if number * deletes // calls < (number + 1) * deletes // calls:
                image_id = str(number)
                taken["delete"].append(self._timed(indexer.delete_image(image_id)))
                deleted[image_id] = time.monotonic()

    def _timed(self, call: Call[Any]) -> float:
        began = time.perf_counter()
        self._client.send(call)
        return time.perf_counter() - began

    def _answers(self) -> list[list[tuple[str, float]]]:
        """Exact answers, to be compared."""
        # The service closes a connection that was idle; this one opens anew when it's used.
        self._query.close()
        queries = np.load(self._queries)[:_COMPARED]
        answers = [self._search({"vector": q.tolist(), "exact": True}) for q in queries]
        return [[(h["id"], h["distance"]) for h in a["hits"]] for a in answers]

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = _post(self._query, body)
        if status != OK:
            raise RuntimeError(f"the query service answered {status}: {answer}")
        found: dict[str, Any] = answer
        return found

    def close(self) -> None:
        self._query.close()

    def _listened(self, work: Callable[[], None]) -> Heard:
        """Record the clients' observations while some work is done."""
        here, there = multiprocessing.Pipe()
        arguments = (there, _port(self._group, "query"), self._queries)
        clients = multiprocessing.get_context("spawn").Process(target=_clients, args=arguments)
        clients.start()
        here.recv()
        try:
            work()
        finally:
            here.send("stop")
            heard: Heard = here.recv()
            clients.join()
        return heard

    def _wait_for_jobs(self) -> None:
        for job in self._client.send(indexer.list_jobs()).jobs:
            self.ended(job)

    def ended(self, job: Job) -> None:
        while not job.state.ended:
            time.sleep(0.2)
            job = self._client.send(indexer.get_job(job.id))
        if job.state is not JobState.SUCCEEDED:
            raise RuntimeError(f"the job {job.kind} ended as {job.state}: {job.error}")


def _are_same(before: list[tuple[str, float]], after: list[tuple[str, float]]) -> bool:
    """Return whether two answers hold the same images, at distances equal but for rounding."""
    return [one for one, _ in before] == [one for one, _ in after] and np.allclose(
        [away for _, away in before], [away for _, away in after], atol=SAME_FEATURES
    )


def _clients(pipe: Connection, port: int, queries: Path) -> None:
    """Searches from several threads until it's told to stop; a process of its own."""
    vectors = np.load(queries)
    stopping = threading.Event()
    found = [Heard() for _ in range(_CLIENTS)]

    def search(number: int) -> None:
        http, mine = HTTPConnection("127.0.0.1", port), found[number]
        rng = np.random.default_rng(number)
        while not stopping.is_set():
            vector = vectors[rng.integers(len(vectors))].tolist()
            began = time.monotonic()
            try:
                status, answer = _post(http, {"vector": vector})
            except OSError as error:
                mine.failures.append(str(error))
                http.close()
                continue
            if status != OK or len(answer["hits"]) != 10:
                mine.failures.append(f"{status} {answer}")
                continue
            mine.began.append(began)
            mine.seconds.append(time.monotonic() - began)
            mine.hits.append([hit["id"] for hit in answer["hits"]])

    threads = [threading.Thread(target=search, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    pipe.send("started")
    pipe.recv()
    stopping.set()
    heard = Heard()
    for thread, mine in zip(threads, found, strict=True):
        thread.join()
        heard.join(mine)
    pipe.send(heard)


def _post(http: HTTPConnection, body: dict[str, Any]) -> tuple[int, Any]:
    http.request("POST", "/v1/search", json.dumps(body), {"Content-Type": "application/json"})
    answer = http.getresponse()
    return answer.status, json.loads(answer.read())


@contextmanager
def _services(folder: Path) -> Iterator[tuple[ServiceGroup, Client]]:
    """The indexer and the query service; vectors of one's own need no embedder."""
    ports = {name: free_port() for name in ("indexer", "query")}
    services = [
        Service(name, (sys.executable, "-m", f"services.{name}"), "127.0.0.1", port)
        for name, port in ports.items()
    ]
    env = {
        "ISE_DATA_DIR": str((folder / "served").resolve()),
        "ISE_HOST": "127.0.0.1",
        "ISE_LOG_LEVEL": "warning",
        "ISE_INDEXER_URL": services[0].url,
        **{f"ISE_{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    group = ServiceGroup(services, env)
    group.start()
    try:
        group.wait_ready(_START_S)
        with Client(services[0].url) as client:
            yield group, client
    finally:
        group.stop()


def _port(group: ServiceGroup, name: str) -> int:
    return next(service.port for service in group.services if service.name == name)
