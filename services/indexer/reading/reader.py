"""Reader of text in pictures: a child process with the networks, of the lowest priority.

It is a process so that its memory and processor time are apart from the indexer's, so that a
picture which a decoder dies of takes nothing else along, and so that it can be ended at any time.
Requests are a length and the bytes of a picture; answers are lines of JSON. It ends with the
indexer, whose end closes the pipe.
"""

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import IO, Any

from shared.contracts.text import Word
from shared.core.errors import BadImage, Conflict, Unavailable

PICTURE_CPU_S = 120.0
"""Longest processor time of a picture. Time on the clock tells nothing: all others go first."""
PICTURE_S = 1800.0
"""Longest time of a picture, for a process that waits for something which never comes."""
MEMORY_BYTES = 3 * 2**29
"""Memory of the largest pictures, decoded, and of what the networks make of them."""
Check = Callable[[], None]
Answer = dict[str, Any] | None
_LOOK_S = 0.1
HEAD = struct.Struct("<Q")
"""Length of a picture, before its bytes."""
_MISSING = (
    "Reading text in pictures needs a package: pip install 'image-search-engine[ocr]', then "
    "restart the indexer."
)


def is_installed() -> bool:
    """Tell whether the extra `ocr` is installed."""
    return all(find_spec(name) is not None for name in ("rapidocr", "openvino"))


class TextReader:
    """Starts readers. `threads`: of the networks. `max_pixels`: larger pictures are refused.

    `picture_cpu_s`: longest processor time of a picture. `memory_bytes`: most memory that pictures
    take, beside the networks.
    """

    def __init__(
        self,
        threads: int,
        max_pixels: int,
        picture_cpu_s: float = PICTURE_CPU_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._options = (str(threads), str(max_pixels), str(picture_cpu_s), str(memory_bytes))

    @contextmanager
    def opened(self, check: Check = lambda: None) -> Iterator["ReaderProcess"]:
        """Give a running reader, and end it. Raises Conflict if the extra isn't installed.

        `check`: called while a picture is read; what it raises ends that at once.
        """
        if not is_installed():
            raise Conflict(_MISSING)
        process = ReaderProcess(*self._options, check=check)
        try:
            yield process
        finally:
            process.close()


class ReaderProcess:
    """A reader, started again where it ended. Used by one thread."""

    def __init__(self, *options: str, check: Check = lambda: None) -> None:
        """Take the arguments of the process, of which the first is its threads."""
        self._options = options
        self._check = check
        self._child: subprocess.Popen[bytes] | None = None
        self.name = ""
        """Name and version of the reader and its networks."""

    def start(self) -> None:
        """Start the process and wait until it has its networks. Raises Unavailable.

        It ends with the thread that starts it.
        """
        environment = {**os.environ, "OMP_NUM_THREADS": self._options[0]}
        # OpenVINO plans by what the processor has, and its oneDNN fails where this forbids that.
        environment.pop("ONEDNN_MAX_CPU_ISA", None)
        self._child = subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-m",
                "services.indexer.reading",
                str(os.getpid()),
                *self._options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        told = self._watched(self._answer)
        if told is None:
            # Else the next picture would seem to have ended it.
            self.close()
            raise Unavailable("The reader of text in pictures can't start; see the indexer's log.")
        self.name = str(told["reader"])

    def read(self, data: bytes) -> list[Word]:
        """Return the words in a picture. Raises BadImage for one that can't be read."""
        if self._child is None:
            self.start()
        child = self._child
        assert child is not None  # noqa: S101
        assert child.stdin is not None  # noqa: S101
        told = self._watched(partial(self._exchanged, child.stdin, data))
        if told is None:
            self.close()
            raise BadImage("The reader of text ended on this picture, or took too long.")
        if "error" in told:
            raise BadImage(str(told["error"]))
        return [Word.model_validate(word) for word in told["words"]]

    def _watched(self, work: Callable[[], Answer]) -> Answer:
        """Return what `work` gives. Where `check` raises meanwhile, the process ends first: of the
        lowest priority, it may be at one picture for minutes.
        """
        with ThreadPoolExecutor(1, "text-reader") as pool:
            asked = pool.submit(work)
            try:
                while not wait((asked,), _LOOK_S).done:
                    self._check()
            except BaseException:
                if self._child is not None:
                    self._child.kill()
                raise
            return asked.result()

    def _exchanged(self, to: IO[bytes], data: bytes) -> Answer:
        try:
            to.write(HEAD.pack(len(data)))
            to.write(data)
            to.flush()
        except BrokenPipeError:
            return None
        return self._answer()

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        child.wait()

    def _answer(self) -> Answer:
        """The next answer; None where the process ended, or is ended for taking too long."""
        child = self._child
        if child is None or child.stdout is None:
            return None
        timer = threading.Timer(PICTURE_S, child.kill)
        timer.daemon = True
        timer.start()
        try:
            line = child.stdout.readline()
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            return None
        told: dict[str, Any] = json.loads(line)
        return told
