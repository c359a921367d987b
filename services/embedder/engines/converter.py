"""Conversion of large networks for OpenVINO, in a process of its own.

It holds the interpreter's lock for seconds, for which the service would answer nobody.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from services.embedder.engines.network import PixelNetwork

_LARGE = 15_000_000
"""Parameters from which a network is converted apart: a smaller one takes a fraction of a second,
and the process two to start."""
_SECONDS = 300.0
_PROGRAM = "services.embedder.backbones.conversion"
"""Run by name, since it knows the networks of a backbone, and engines don't."""


def is_large(network: PixelNetwork) -> bool:
    """Return True where converting would keep callers waiting."""
    return sum(parameter.numel() for parameter in network.parameters()) >= _LARGE


@contextmanager
def converted_apart(network: PixelNetwork, size: tuple[int, int]) -> Iterator[Path]:
    """Give the path of a network's OpenVINO model, made by another process, while inside.

    Raises RuntimeError where that can't be done.
    """
    with tempfile.TemporaryDirectory() as name:
        given, result = Path(name) / "network.pt", Path(name) / "model.xml"
        try:
            torch.save({"network": network, "size": size}, given)
            subprocess.run(  # noqa: S603
                [sys.executable, "-m", _PROGRAM, str(given), str(result)],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_SECONDS,
                check=True,
            )
        except (
            OSError,
            subprocess.SubprocessError,
            # A module may be of a class that can't be named, or hold what can't be stored.
            *(pickle.PicklingError, TypeError, AttributeError),
        ) as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        yield result
