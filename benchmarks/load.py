"""Goodput over offered load, and memory under 64 clients that send 64 MiB each.

Real services as processes. The clients run in a process of their own on the same machine, whose
share of a core is told with each figure.
"""

import io
import json
import os
import random
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import large_senders
from benchmarks.large_senders import port_of
from benchmarks.load_clients import Load, offered
from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port

CLIENTS = (1, 2, 4, 8, 16, 32, 64)
_IMAGES = 200
_A_CALL = 8
_START_S = 240.0


def measure(data: Path, profile: str, seconds: float, large: bool = True) -> dict[str, Any]:
    """Run all of it; the figures by part. large: the part with large bodies too."""
    folder = data / "load"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with _services(folder, profile) as group:
            pictures = [_picture(number) for number in range(_IMAGES)]
            ids = _added(port_of(group, "indexer"), pictures)
            embedding = _embedding(port_of(group, "embedder"), pictures)
            searching = _searching(port_of(group, "query"), ids)
            person = Load(searching.port, searching.path, searching.kind, searching.bodies, 1)
            found: dict[str, Any] = {"profile": profile, "load_average": os.getloadavg()[0]}
            found["niceness"] = os.nice(0)
            found["person_quiet"] = _person(person, [], 0, seconds)
            for name, load in (("embedder", embedding), ("query", searching)):
                found[name] = _over_load(name, load, seconds)
            found["person_beside_embedder"] = _person(person, [embedding], 64, seconds)
            found["refusal_ms"] = _refusals(embedding, seconds)
            if large:
                found["large"] = large_senders.measure(
                    group, lambda: _person(person, [], 0, seconds), seconds
                )
            return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _over_load(name: str, load: Load, seconds: float) -> dict[str, Any]:
    levels = {}
    for clients in CLIENTS:
        levels[clients] = offered([load] * clients, seconds)
        print(f"  {name}, {clients} clients: {levels[clients]}")
    best = max(level["per_second"] for level in levels.values())
    return {"levels": levels, "share_at_most_clients": levels[CLIENTS[-1]]["per_second"] / best}


def _person(load: Load, beside: Sequence[Load], clients: int, seconds: float) -> dict[str, Any]:
    """Return how long the searches of one person take, who searches four times a second."""
    stop = threading.Event()
    times: list[float] = []
    refused = 0

    def search() -> None:
        nonlocal refused
        http = HTTPConnection("127.0.0.1", load.port, timeout=60)
        rng = random.Random(7)
        while not stop.is_set():
            began = time.monotonic()
            try:
                http.request("POST", load.path, rng.choice(load.bodies), _headers(load))
                answer = http.getresponse()
                answer.read()
            except (OSError, HTTPException):
                http.close()
                continue
            if answer.status == 200:
                times.append(1e3 * (time.monotonic() - began))
            else:
                refused += 1
            stop.wait(0.25)
        http.close()

    thread = threading.Thread(target=search)
    thread.start()
    if beside:
        offered([beside[0]] * clients, seconds)
    else:
        time.sleep(seconds)
    stop.set()
    thread.join()
    found = {"p50_ms": float(np.median(times)), "searches": len(times), "refused": refused}
    print(f"  a person's searches beside {clients} clients: {found}")
    return found


def _refusals(load: Load, seconds: float) -> dict[str, Any]:
    """Return the time to a refusal of calls that send their head only, beside 64 clients."""
    stop = threading.Event()
    times: list[float] = []

    def probe() -> None:
        head = (
            f"POST {load.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {load.kind}\r\n"
            "Content-Length: 8000000\r\nExpect: 100-continue\r\n\r\n"
        ).encode()
        while not stop.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", load.port), 60) as probe:
                began = time.monotonic()
                probe.sendall(head)
                if b" 429 " in probe.recv(1024)[:20]:
                    times.append(1e3 * (time.monotonic() - began))
            stop.wait(0.05)

    thread = threading.Thread(target=probe)
    thread.start()
    offered([load] * 64, seconds)
    stop.set()
    thread.join()
    some = np.array(times) if times else np.array([np.nan])
    found = {
        "refusals": len(times),
        "p50_ms": float(np.median(some)),
        "p99_ms": float(np.quantile(some, 0.99)),
        "within_5_ms": float(np.mean(some <= 5.0)),
    }
    print(f"  refusals: {found}")
    return found


def _headers(load: Load) -> dict[str, str]:
    return {"Content-Type": load.kind}


def _picture(number: int) -> bytes:
    noise = Image.effect_noise((640, 480), 40 + number % 50).convert("RGB")
    out = io.BytesIO()
    noise.rotate(number).save(out, "JPEG", quality=80)
    return out.getvalue()


def _form(pictures: Sequence[bytes]) -> bytes:
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="%d.jpg"\r\n\r\n%b\r\n'
    return b"".join(part % one for one in enumerate(pictures)) + b"--x--\r\n"


_FORM = "multipart/form-data; boundary=x"


def _embedding(port: int, pictures: Sequence[bytes]) -> Load:
    starts = range(0, len(pictures), _A_CALL)
    bodies = [_form(pictures[start : start + _A_CALL]) for start in starts]
    return Load(port, "/v1/embed/images", _FORM, bodies, _A_CALL)


def _searching(port: int, ids: Sequence[str]) -> Load:
    bodies = [json.dumps({"id": image_id, "limit": 20}).encode() for image_id in ids]
    return Load(port, "/v1/search", "application/json", bodies, 1)


def _added(port: int, pictures: Sequence[bytes]) -> list[str]:
    ids: list[str] = []
    http = HTTPConnection("127.0.0.1", port, timeout=600)
    for start in range(0, len(pictures), 50):
        body = _form(pictures[start : start + 50])
        http.request("POST", "/v1/images", body, {"Content-Type": _FORM})
        answer = http.getresponse()
        items = json.loads(answer.read())["items"]
        ids += [item["id"] for item in items if item["id"]]
    http.close()
    return ids


@contextmanager
def _services(folder: Path, profile: str) -> Iterator[ServiceGroup]:
    ports = {name: free_port() for name in ("embedder", "indexer", "query")}
    services = [
        Service(name, (sys.executable, "-m", f"services.{name}"), "127.0.0.1", port)
        for name, port in ports.items()
    ]
    env = {
        "ISE_DATA_DIR": str((folder / "served").resolve()),
        "ISE_HOST": "127.0.0.1",
        "ISE_LOG_LEVEL": "error",
        "ISE_PROFILE": profile,
        "ISE_LEARN_AFTER": "0",
        "ISE_OCR": "off",
        **{f"ISE_{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    group = ServiceGroup(services, env)
    group.start()
    try:
        group.wait_ready(_START_S)
        yield group
    finally:
        group.stop()
