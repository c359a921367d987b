"""Cost of HTTP and of the re-rank, and searches a second.

The same indexed images are asked for by id, in this process and of the service, in turn, over one
snapshot. In process is the function that the service's route runs. Then many clients ask at once.
"""

import json
import multiprocessing
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import product
from benchmarks.serving import query_service
from services.query.answering.searches import IdSearch
from services.query.answering.service import SearchService
from services.query.answering.term_reader import TermReader
from services.query.embedders import Embedders
from services.query.read_your_writes import Waiting
from services.query.search.audit import Audit
from services.query.search.snapshot_reader import SnapshotReader
from shared.contracts.query import Rerank, SearchOptions
from shared.web.places import Places

_SEED = 0
_WARM_UP = 100
_BLOCK = 25
_RECALL = 0.95
# Vectors from outside aren't re-ranked unless that is asked for; pictures are.
_RERANKED = SearchOptions(rerank=Rerank.NEIGHBOURS)
_PLAIN = SearchOptions(rerank=Rerank.NONE)

_HEAD = (
    b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

Search = Callable[[str], object]


def measure(
    data_dir: Path, rows: int, queries: int = 1000, requests: int = 2000, clients: int = 16
) -> dict[str, Any]:
    """Asks for `queries` images in turn, then `requests` times from `clients` at once."""
    drawn = np.random.default_rng(_SEED).integers(rows, size=queries)
    ids = [product.row_id(int(row)) for row in drawn]
    shelf = SnapshotReader(data_dir)
    nothing_to_wait_for = Waiting(shelf, Places(clients, "searches"), 0, lambda: None)
    no_terms = TermReader(Embedders([]))
    searches = SearchService(shelf, _no_features, _RECALL, Audit(0), nothing_to_wait_for, no_terms)
    group, port = query_service(data_dir)
    http = _Connection(port)
    ways: dict[str, Search] = {
        "plain": lambda image_id: searches.answer_now(IdSearch(image_id, _PLAIN)),
        "in_process": lambda image_id: searches.answer_now(IdSearch(image_id, _RERANKED)),
        "http": http.ask,
    }
    try:
        found: dict[str, Any] = _in_turn(ways, ids)
        print(f"  one at a time: {found}")
        found["load"] = _under_load(port, list(islice(cycle(ids), requests)), clients)
        print(f"  {clients} clients: {found['load']}")
    finally:
        http.close()
        group.stop()
    return found | {"rows": rows, "queries": queries}


def _in_turn(ways: dict[str, Search], ids: Sequence[str]) -> dict[str, Any]:
    for image_id in ids[:_WARM_UP]:
        for search in ways.values():
            search(image_id)
    names = list(ways)
    times: dict[str, list[float]] = {name: [] for name in names}
    for start in range(0, len(ids), _BLOCK):
        shift = start // _BLOCK % len(names)
        for name in names[shift:] + names[:shift]:
            # Untimed, as another one had the processor meanwhile.
            ways[name](ids[start])
            for image_id in ids[start : start + _BLOCK]:
                started = time.perf_counter()
                ways[name](image_id)
                times[name].append(1e3 * (time.perf_counter() - started))
    ms = {name: np.array(some) for name, some in times.items()}
    return {
        **{name: _quantiles(some) for name, some in ms.items()},
        "added_by_http": _quantiles(ms["http"] - ms["in_process"]),
        "added_by_rerank": _quantiles(ms["in_process"] - ms["plain"]),
    }


def _under_load(port: int, ids: Sequence[str], clients: int) -> dict[str, Any]:
    """Measure the latency of `clients` that share the requests, from a process of their own."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_clients, args=(there, port, ids, clients))
    process.start()
    found: dict[str, Any] = here.recv()
    process.join()
    return found


def _clients(pipe: Any, port: int, ids: Sequence[str], clients: int) -> None:
    times: list[list[float]] = [[] for _ in range(clients)]
    errors: list[list[str]] = [[] for _ in range(clients)]

    def run(number: int) -> None:
        http = _Connection(port)
        for image_id in ids[number::clients]:
            started = time.perf_counter()
            try:
                http.ask(image_id)
            except (OSError, RuntimeError) as error:
                errors[number].append(str(error))
                http.close()
                http = _Connection(port)
            times[number].append(1e3 * (time.perf_counter() - started))
        http.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    told = [error for some in errors for error in some]
    every = np.concatenate([np.array(some) for some in times])
    pipe.send(
        {
            "clients": clients,
            "requests": len(every),
            "errors": len(told),
            "first_error": told[0] if told else None,
            "per_second": len(every) / seconds,
            **_quantiles(every),
        }
    )


class _Connection:
    """A client that does next to nothing, so that what is timed is the service."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, image_id: str) -> None:
        """Searches by id. Raises RuntimeError where it isn't its own first hit, and OSError."""
        body = json.dumps({"id": image_id, "rerank": Rerank.NEIGHBOURS.value}).encode()
        self._socket.sendall(_HEAD % len(body) + body)
        received = self._read()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._read()
        head, text = received[:end], received[end + 4 :]
        length = _LENGTH.search(head)
        if length is None:
            raise RuntimeError(f"the query service answered {head!r}")
        while len(text) < int(length[1]):
            text += self._read()
        # The first id of an answer is that of its first hit.
        if b" 200 " not in head[:16] or f'"id":"{image_id}"'.encode() not in text[:64]:
            raise RuntimeError(f"{image_id} was answered {head!r} {text[:200]!r}")

    def _read(self) -> bytes:
        received = self._socket.recv(1 << 16)
        if not received:
            raise ConnectionError("the query service hung up")
        return received

    def close(self) -> None:
        self._socket.close()


def _no_features() -> Any:
    raise RuntimeError("a search by id asks no embedder")


def _quantiles(ms: Any) -> dict[str, float]:
    return {"p50_ms": float(np.median(ms)), "p99_ms": float(np.quantile(ms, 0.99))}
