"""A network that another process compiles and runs, so that neither keeps this one waiting.

torch.compile traces a network in Python for seconds to minutes, and holds the interpreter's lock
meanwhile; so do calls of compiled code. Pixels go over through memory that both processes share, in
one of two slots, so that copying to one overlaps the work on the other.
"""

import logging
import mmap
import os
import pickle
import socket
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from services.embedder.engines.engine import EngineUnavailable, Floats, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork

SLOTS = 2
REQUEST = struct.Struct("<BI")
"""A slot, and the images in it."""

_PROGRAM = "services.embedder.backbones.compilation"
"""Run by name, since it knows the networks of a backbone, and engines don't."""
_COMPILE_S = 3600.0
_CALL_S = 100.0
"""Less than after what time a batch counts as stuck."""
_MOST = {"cpu": 16, "cuda": 128}
"""Images of a slot."""

log = logging.getLogger(__name__)


class Outcome(IntEnum):
    """First byte of an answer, which says what follows."""

    FEATURES = 0
    """float32 of all images; nothing if it tells that the network is ready."""
    FAILED = 1
    """A sentence."""
    OUT_OF_MEMORY = 2
    """A sentence."""


class ApartEngine:
    """Runs a network compiled, in a process of its own that ends with this object.

    The process compiles at a low priority while this constructor waits, and keeps what it compiled
    in `folder`, for later starts. Raises EngineUnavailable.
    """

    def __init__(
        self,
        network: PixelNetwork,
        size: tuple[int, int],
        precision: Precision,
        device: torch.device,
        folder: Path | None,
    ) -> None:
        self.name = f"compile-{precision}"
        self._most = _MOST[device.type]
        shape = (SLOTS, self._most, *size, 3)
        try:
            with _given(network, shape, precision, device) as given:
                self._process = self._start(shape, given, folder)
                weakref.finalize(self, _end, self._channel, self._process)
                # The process has read its network once it is ready.
                self._answer(_COMPILE_S)
        except (RuntimeError, OSError) as error:
            raise EngineUnavailable(f"{type(error).__name__}: {error}") from error

    @property
    def pid(self) -> int:
        """The process that runs the network."""
        return self._process.pid

    def __call__(self, pixels: Pixels) -> Floats:
        try:
            return self._features(pixels)
        except (_Failed, torch.OutOfMemoryError):
            raise
        except BaseException as error:
            # Answers may be left, which the next call would take for its own.
            self._broken(type(error).__name__)
            raise

    def _features(self, pixels: Pixels) -> Floats:
        parts, failures = [], []
        starts = range(0, len(pixels), self._most)
        for number in range(len(starts) + SLOTS):
            if number >= SLOTS and number - SLOTS < len(starts):
                try:
                    parts.append(self._answer(_CALL_S))
                except (_Failed, torch.OutOfMemoryError) as error:
                    # The other slot's answer is still to come.
                    failures.append(error)
            if number < len(starts):
                some = pixels[starts[number] : starts[number] + self._most]
                slot = number % SLOTS
                self._slots[slot, : len(some)] = some
                self._send(REQUEST.pack(slot, len(some)))
        if failures:
            raise failures[0]
        return np.concatenate(parts).reshape(len(pixels), -1)

    def _start(
        self, shape: tuple[int, ...], given: Path, folder: Path | None
    ) -> subprocess.Popen[bytes]:
        """Start the process, with one end of a channel and memory for `shape`."""
        size = int(np.prod(shape))
        ours, theirs = socket.socketpair()
        for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            # Else one that hangs in the middle of an answer would be waited for for ever.
            ours.setsockopt(socket.SOL_SOCKET, limit, struct.pack("ll", int(_CALL_S), 0))
        self._channel = Connection(ours.detach())
        # Only the process keeps its end open, so that its own end is noticed.
        with theirs, _anonymous_file(size) as memory:
            self._slots: Pixels = np.frombuffer(mmap.mmap(memory, size), np.uint8).reshape(shape)
            try:
                return _started(theirs.fileno(), memory, given, folder)
            except OSError as error:
                self._channel.close()
                raise RuntimeError(f"{type(error).__name__}: {error}") from error

    def _send(self, request: bytes) -> None:
        try:
            self._channel.send_bytes(request)
        except OSError as error:
            raise self._broken(f"{type(error).__name__}: {error}") from error

    def _answer(self, seconds: float) -> Floats:
        """Return the features of an answer. Raises RuntimeError, also where there is none."""
        try:
            if not self._channel.poll(seconds):
                raise self._broken(f"no answer in {seconds:g} s")
            answer = self._channel.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._broken(f"{type(error).__name__}: {error}".removesuffix(": ")) from error
        outcome, body = Outcome(answer[0]), answer[1:]
        if outcome is Outcome.FEATURES:
            return np.frombuffer(body, np.float32)
        sentence = body.decode(errors="replace")
        if outcome is Outcome.OUT_OF_MEMORY:
            raise torch.OutOfMemoryError(sentence)
        raise _Failed(sentence)

    def _broken(self, reason: str) -> RuntimeError:
        """Give the process up; whoever calls it again gets the same error."""
        self._channel.close()
        self._process.kill()
        return RuntimeError(f"the process of the compiled network ended ({reason})")


class _Failed(RuntimeError):
    """The network failed; its process goes on."""


def _started(
    channel: int, memory: int, given: Path, folder: Path | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", _PROGRAM, str(channel), str(memory), str(given)],
        pass_fds=(channel, memory),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | _cache(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _cache(folder: Path | None) -> dict[str, str]:
    """Return the variable that has torch keep what it compiles in a folder, if that can be made."""
    if folder is None:
        return {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.warning("what is compiled can't be stored, so each start compiles anew (%s)", error)
        return {}
    return {"TORCHINDUCTOR_CACHE_DIR": str(folder)}


@contextmanager
def _given(
    network: PixelNetwork, shape: tuple[int, ...], precision: Precision, device: torch.device
) -> Iterator[Path]:
    """Give the path of a file with all that the process needs to know, while inside."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "network.pt"
        content = {
            "network": network,
            "shape": shape,
            "precision": str(precision),
            "device": str(device),
            "threads": torch.get_num_threads(),
        }
        try:
            torch.save(content, path)
        except (OSError, pickle.PicklingError, TypeError, AttributeError) as error:
            # A module may be of a class that can't be named, or hold what can't be stored.
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        yield path


@contextmanager
def _anonymous_file(size: int) -> Iterator[int]:
    """Give a new file without a name, for memory that is shared with a process, while inside."""
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("ise-pixels")
    else:
        with tempfile.TemporaryFile() as file:
            memory = os.dup(file.fileno())
    try:
        os.ftruncate(memory, size)
        yield memory
    finally:
        os.close(memory)


def _end(channel: Connection, process: subprocess.Popen[bytes]) -> None:
    channel.close()
    process.kill()
    process.wait()
