"""The process of `apart.py`: it compiles a network, and runs it for the service until that ends."""

import mmap
import os
import select
import signal
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.embedder.engines import processor
from services.embedder.engines.apart import REQUEST, Outcome
from services.embedder.engines.compiled import CompiledEngine
from services.embedder.engines.cuda import CudaEngine, pin
from services.embedder.engines.engine import Engine, EngineUnavailable, Floats, Pixels
from services.embedder.engines.engine_options import Precision

_LOOK_S = 0.1
_RUNS = 2
"""Passes before it's ready: the first compiles, the second must not."""

Finish = Callable[[], Floats]


def work(argv: list[str]) -> None:
    """Serve with the network in a file: arguments are a socket, shared memory and that file."""
    # Ctrl-C in a terminal signals the whole process group; the service ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fd, memory = int(argv[1]), int(argv[2])
    service = Connection(fd)
    # From the service, which has just written it.
    given = torch.load(Path(argv[3]), weights_only=False)
    torch.set_num_threads(given["threads"])
    shape, device = given["shape"], torch.device(given["device"])
    shared = mmap.mmap(memory, int(np.prod(shape)))
    os.close(memory)
    slots = np.frombuffer(shared, np.uint8).reshape(shape)
    if device.type == "cuda":
        pin(slots, device)
    try:
        engine = _while_service_lives(service, partial(_compiled, given))
    except (EngineUnavailable, RuntimeError) as error:
        _tell(service, Outcome.FAILED, str(error).partition("\n")[0].encode())
        return
    threading.Thread(target=_end_with, args=(service.fileno(),), daemon=True).start()
    # This thread's own pass, at the usual priority: nothing is compiled in it.
    engine(slots[0, :1])
    _tell(service, Outcome.FEATURES, b"")
    serve(service, engine, slots)


def _end_with(channel: int) -> None:
    """End this process with the service, even in the middle of a pass."""
    if sys.platform != "linux":
        return
    watch = select.poll()
    watch.register(channel, select.POLLRDHUP)
    watch.poll()
    os._exit(0)


def serve(service: Connection, engine: Engine, slots: Pixels) -> None:
    """Answer requests in their order, until the service closes the connection.

    A request that is there already is begun before the answer to the former is waited for.
    """
    begun: deque[Finish] = deque()
    while True:
        try:
            if begun and not service.poll():
                _answer(service, begun.popleft())
                continue
            slot, count = REQUEST.unpack(service.recv_bytes())
        except (EOFError, OSError, struct.error):
            return
        begun.append(_begun(engine, slots[slot, :count]))


def _begun(engine: Engine, pixels: Pixels) -> Finish:
    if not isinstance(engine, CudaEngine):
        return partial(engine, pixels)
    try:
        return engine.begin(pixels)
    except RuntimeError as error:
        return partial(_raised, error)


def _raised(error: RuntimeError) -> Floats:
    raise error


def _answer(service: Connection, finish: Finish) -> None:
    try:
        features = finish()
    except RuntimeError as error:
        short = isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
        outcome = Outcome.OUT_OF_MEMORY if short else Outcome.FAILED
        _tell(service, outcome, f"{type(error).__name__}: {error}".encode())
        return
    _tell(service, Outcome.FEATURES, np.ascontiguousarray(features, dtype=np.float32).tobytes())


def _tell(service: Connection, outcome: Outcome, body: bytes) -> None:
    service.send_bytes(bytes([outcome]) + body)


def _compiled(given: dict[str, Any]) -> Engine:
    """Compile at a low priority, which the threads and processes that take part in it inherit."""
    processor.yield_to_others()
    network, precision = given["network"], Precision(given["precision"])
    device, (_, _, height, width, _) = torch.device(given["device"]), given["shape"]
    if device.type == "cuda":
        engine: Engine = CudaEngine(network, (height, width), precision, device, compiled=True)
    else:
        engine = CompiledEngine(network, precision)
    blank = np.full((1, height, width, 3), 128, dtype=np.uint8)
    for _ in range(_RUNS):
        engine(blank)
    return engine


def _while_service_lives(service: Connection, make: Callable[[], Engine]) -> Engine:
    """Return what another thread makes; end this process if the service ends meanwhile."""
    made: list[Engine] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            made.append(make())
        except Exception as error:  # noqa: BLE001 - raised again below
            failed.append(error)

    thread = threading.Thread(target=run, name="compile", daemon=True)
    thread.start()
    while thread.is_alive():
        # The service asks for nothing before it's told that the network is ready.
        if service.poll(_LOOK_S):
            # Not an exit: that would wait for the compiler.
            os._exit(1)
        thread.join(_LOOK_S)
    if failed:
        raise failed[0]
    return made[0]
