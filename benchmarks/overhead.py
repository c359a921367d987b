"""Cost of HTTP for searches by vector and by id in both metrics, searches a second, and batches.

The collection is built for cosine. In process is the function that the service's route runs; the
same queries are sent in turn, in blocks. Searches a second are those of one service, of two
replicas, and of a route that does nothing but answer the same bytes, in turn.
"""

import json
import multiprocessing
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import product
from benchmarks.bare_route import bare_route
from benchmarks.collection import Collection
from benchmarks.serving import query_service
from services.query.answering.searches import IdSearch, VectorSearch
from services.query.answering.service import SearchService
from services.query.answering.term_reader import TermReader
from services.query.embedders import Embedders
from services.query.read_your_writes import Waiting
from services.query.search.audit import Audit
from services.query.search.snapshot_reader import SnapshotReader
from shared.contracts.query import Metric, SearchOptions
from shared.web.places import Places

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_RECALL = 0.95
_BLOCK = 25
_BATCH = 100
_CLIENTS = 16
_REPLICAS = 2
_LOAD_S = 3.0
_LOAD_ROUNDS = 5

Ask = Callable[[int], object]


def measure(data: Path, collection: Collection, queries: int = 500) -> dict[str, Any]:
    """Build what isn't built, and measure."""
    folder = data / "built" / f"{collection.name}-cosine"
    if not folder.exists():
        product.fill(folder, collection.blocks())
        product.build(folder, metric=Metric.COSINE)
    vectors = [vector.tolist() for vector in collection.queries]
    ids = [product.row_id(int(row)) for row in collection.own_rows]
    shelf = SnapshotReader(folder)
    nothing_to_wait_for = Waiting(shelf, Places(_CLIENTS, "searches"), 0, lambda: None)
    no_terms = TermReader(Embedders([]))
    service = SearchService(shelf, _no_features, _RECALL, Audit(0), nothing_to_wait_for, no_terms)
    found: dict[str, Any] = {"collection": collection.name, "queries": queries}
    with ExitStack() as running:
        ports = []
        for _ in range(_REPLICAS):
            group, port = query_service(folder)
            running.callback(group.stop)
            ports.append(port)
        for metric in Metric:
            options = SearchOptions(metric=metric)
            by_vector = [_request("", {"vector": one, "metric": metric}) for one in vectors]
            by_id = [_request("", {"id": one, "metric": metric}) for one in ids]
            found[metric] = _one_client(
                ports[0],
                {
                    "vector": partial(_by_vector, service, vectors, options),
                    "id": partial(_by_id, service, ids, options),
                },
                {"vector": by_vector, "id": by_id},
                min(queries, len(vectors)),
            )
            found[metric] |= _beside_bare(ports, by_vector)
            print(f"  {metric}: {found[metric]}")
    return found


def _by_vector(
    service: SearchService, vectors: list[list[float]], options: SearchOptions, number: int
) -> object:
    return service.answer_now(VectorSearch(vectors[number], options))


def _by_id(service: SearchService, ids: list[str], options: SearchOptions, number: int) -> object:
    return service.answer_now(IdSearch(ids[number], options))


def _by_http(http: "_Connection", requests: list[bytes], number: int) -> object:
    return http.ask(requests[number])


def _no_features() -> Any:
    raise RuntimeError("a search by a stored vector asks no embedder")


def _request(path: str, body: dict[str, Any]) -> bytes:
    text = json.dumps(body).encode()
    return (
        b"POST /v1/search%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % (path.encode(), len(text))
    ) + text


def _one_client(
    port: int, plain: dict[str, Ask], requests: dict[str, list[bytes]], queries: int
) -> dict[str, Any]:
    http = _Connection(port)
    ways: dict[str, Ask] = {f"in process, by {kind}": ask for kind, ask in plain.items()}
    for kind, sent in requests.items():
        ways[f"http, by {kind}"] = partial(_by_http, http, sent)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for start in range(0, queries, _BLOCK):
        for name, ask in ways.items():
            # Untimed, as another one had the processor meanwhile.
            ask(start)
            for number in range(start, min(start + _BLOCK, queries)):
                started = time.perf_counter()
                ask(number)
                times[name].append(1e3 * (time.perf_counter() - started))
    found: dict[str, Any] = {name: round(float(np.median(ms)), 3) for name, ms in times.items()}
    for kind, sent in requests.items():
        bodies = [json.loads(one.partition(b"\r\n\r\n")[2]) for one in sent[:queries]]
        whole = range(0, len(bodies) - _BATCH + 1, _BATCH)
        batches = [_request("/batch", {"searches": bodies[n : n + _BATCH]}) for n in whole]
        each = []
        for batch in [*batches, *batches]:
            started = time.perf_counter()
            http.ask(batch)
            each.append(1e3 * (time.perf_counter() - started) / _BATCH)
        found[f"of a batch, by {kind}"] = round(float(np.median(each)), 3)
        ratio = float(np.median(times[f"http, by {kind}"]) / np.median(each))
        found[f"rate of a batch, by {kind}"] = round(ratio, 2)
    http.close()
    return found


def _beside_bare(ports: Sequence[int], requests: Sequence[bytes]) -> dict[str, float]:
    """Return the searches a second of 16 clients, by one service and by all of them, and a bare
    route's answers; medians of rounds.
    """
    http = _Connection(ports[0])
    with tempfile.NamedTemporaryFile() as answer:
        answer.write(http.ask(requests[0]))
        answer.flush()
        http.close()
        with bare_route(Path(answer.name)) as bare_port:
            rounds = [
                [_under_load(them, requests) for them in (ports[:1], ports, [bare_port])]
                for _ in range(_LOAD_ROUNDS)
            ]
    one, all_of_them, bare = (float(np.median(rates)) for rates in zip(*rounds, strict=True))
    return {
        "per_second_at_16": one,
        "replicas": len(ports),
        "per_second_of_replicas": all_of_them,
        "bare_per_second_at_16": bare,
        "of_bare": round(float(np.median([each[0] / each[2] for each in rounds])), 3),
    }


def _under_load(ports: Sequence[int], requests: Sequence[bytes]) -> float:
    """Searches a second of clients that share the requests, from a process of their own."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_clients, args=(there, ports, requests))
    process.start()
    found: float = here.recv()
    process.join()
    return found


def _clients(pipe: Any, ports: Sequence[int], requests: Sequence[bytes]) -> None:
    counts = [0] * _CLIENTS
    end = time.perf_counter() + _LOAD_S

    def run(client: int) -> None:
        http = _Connection(ports[client % len(ports)])
        while time.perf_counter() < end:
            http.ask(requests[(client + _CLIENTS * counts[client]) % len(requests)])
            counts[client] += 1
        http.close()

    threads = [threading.Thread(target=run, args=(client,)) for client in range(_CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(round(sum(counts) / (time.perf_counter() - started)))


class _Connection:
    """One connection that is kept; as little of a client as there can be."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        received = b""
        while True:
            received += self._socket.recv(1 << 16)
            head, ended, body = received.partition(b"\r\n\r\n")
            if not ended:
                continue
            length = _LENGTH.search(head)
            if length is None or b" 200 " not in head[:20]:
                raise RuntimeError(f"the query service answered {head[:200]!r}")
            while len(body) < int(length[1]):
                body += self._socket.recv(1 << 16)
            return body

    def close(self) -> None:
        self._socket.close()
