"""Memory of each service while 64 clients send it 64 MiB each, slowly and fast."""

import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shared.cli.group import ServiceGroup

MIB = 2**20
_LARGE = 64 * MIB
_SENDERS = 64
_SLOW_RATE = 512 * 1024
"""Bytes per second of a slow sender."""
_PAUSE_S = 0.05
_TARGETS = {
    "query": ("/v1/search/image", "file"),
    "indexer": ("/v1/images", "files"),
    "embedder": ("/v1/embed/images", "files"),
}


def measure(
    group: ServiceGroup, person: Callable[[], dict[str, Any]], seconds: float
) -> dict[str, Any]:
    """Return the memory beyond rest of each service, and how `person` fared meanwhile."""
    found: dict[str, Any] = {}
    for service, (path, field) in _TARGETS.items():
        for pace, rate in (("slow", _SLOW_RATE), ("fast", 0)):
            pid, port = group.pids()[service], port_of(group, service)
            rest = _memory(pid)
            arguments = (port, path, field, rate, seconds)
            process = multiprocessing.get_context("spawn").Process(target=_senders, args=arguments)
            process.start()
            with _watched(pid) as seen:
                beside = person()
                process.join()
            name = f"{service}, {pace}"
            found[name] = {
                "rest_mib": rest,
                "beyond_rest_mib": max(seen) - rest,
                "person_p50_ms": beside["p50_ms"],
                "person_refused": beside["refused"],
            }
            print(f"  64 x 64 MiB to {name}: {found[name]}")
    return found


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Give the memory of a process, looked at again and again within the block."""
    stop = threading.Event()
    seen = [_memory(pid)]

    def watch() -> None:
        while not stop.wait(0.1):
            seen.append(_memory(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _senders(port: int, path: str, field: str, rate: int, seconds: float) -> None:
    part = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="f"\r\n\r\n'.encode()
    tail = b"\r\n--x--\r\n"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(part) + _LARGE + len(tail)}\r\n\r\n"
    ).encode()
    block, end = bytes(64 * 1024), time.monotonic() + seconds

    def send() -> None:
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as sender:
                sender.settimeout(10)
                sender.sendall(head + part)
                for _ in range(_LARGE // len(block)):
                    if time.monotonic() > end:
                        break
                    sender.sendall(block)
                    if rate:
                        time.sleep(len(block) / rate)
                else:
                    sender.sendall(tail)
                    sender.recv(1024)
            time.sleep(_PAUSE_S)

    threads = [threading.Thread(target=send) for _ in range(_SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _memory(pid: int) -> float:
    """Return the MiB of a process and its children, shared pages by their share."""
    total = 0
    for one in [pid, *_children(pid)]:
        with suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def _children(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text().split()):
                yield child
                yield from _children(child)


def port_of(group: ServiceGroup, name: str) -> int:
    """Return the port of a service of a group."""
    return next(service.port for service in group.services if service.name == name)
