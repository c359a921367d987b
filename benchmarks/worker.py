"""A process for one contender: builds it, or opens it and searches. `Worker` is its handle.

Each has its own, so that memory can be told apart; queries are timed inside it, so that the way
there and back costs them nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS", "LANCE_CPU_THREADS",
)  # fmt: skip


class ContenderFailed(Exception):
    """A contender can't take part; says why."""


@dataclass(frozen=True)
class Start:
    """How a worker begins. `processors`: those it is kept to. `procs`: of the cgroup to join."""

    contender: str
    processors: tuple[int, ...]
    procs: Path | None = None


class Worker:
    """The handle of a process; its methods are those of `Bench`, called over a pipe."""

    def __init__(self, start: Start) -> None:
        here, there = Pipe()
        threads = {name: str(len(start.processors)) for name in _THREADS}
        self._pipe = here
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "benchmarks.worker", str(there.fileno())],
            env={**os.environ, **threads, "LANCE_LOG": "error", "PYTHONUNBUFFERED": "1"},
            pass_fds=[there.fileno()],
        )
        there.close()
        here.send(start)
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, **arguments: Any) -> Any:
        """Raises ContenderFailed."""
        self._pipe.send((method, arguments))
        return self._answer()

    def _answer(self) -> Any:
        try:
            failure, value = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            code = self._process.wait()
            raise ContenderFailed(f"its process ended with exit code {code}") from None
        if failure:
            raise ContenderFailed(failure)
        return value

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    pipe = Connection(int(sys.argv[1]))
    start: Start = pipe.recv()
    # Before numpy is imported: what is read from now on counts as this process's.
    if start.procs is not None:
        start.procs.write_text(str(os.getpid()))
    os.sched_setaffinity(0, start.processors)
    try:
        from benchmarks.bench import Bench

        bench = Bench(start.contender)
    except Exception as error:  # noqa: BLE001
        pipe.send((_said(error), None))
        return
    pipe.send(("", None))
    while True:
        try:
            request: tuple[str, Mapping[str, Any]] = pipe.recv()
        except EOFError:
            break
        method, arguments = request
        try:
            pipe.send(("", getattr(bench, method)(**arguments)))
        except Exception as error:  # noqa: BLE001
            pipe.send((_said(error), None))
    bench.close()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    # Threads that a library leaves behind must not hold the process.
    main()
    sys.stdout.flush()
    time.sleep(0)
    os._exit(0)
