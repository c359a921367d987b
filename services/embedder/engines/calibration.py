"""Pictures of the user that int8 is calibrated with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from services.embedder.engines.engine import Pixels
from services.embedder.engines.quantized import Calibration
from shared.core.errors import BadImage, Misconfigured
from shared.media.images import decode

_MOST = 320
_LEAST = 40
_HELD_OUT_EVERY = 5
_READ = 4096


def calibration_of(folder: Path, pixels_of: Callable[[Image.Image], Pixels]) -> Calibration:
    """Return up to 320 pictures of a folder, a fifth of them for the check. Raises Misconfigured.

    They are spread over the sorted names, so that the same folder gives the same calibration.
    """
    found: list[Pixels] = []
    for path in _spread(folder):
        try:
            found.append(pixels_of(decode(path.read_bytes(), least=1024)))
        except (BadImage, OSError):
            continue
        if len(found) == _MOST:
            break
    if len(found) < _LEAST:
        raise Misconfigured(
            f"ISE_CALIBRATION={folder} has {len(found)} pictures that can be read; int8 needs at "
            f"least {_LEAST}, of the kind that is searched."
        )
    rows = np.stack(found)
    is_held_out = np.arange(len(rows)) % _HELD_OUT_EVERY == 0
    return Calibration(rows[~is_held_out], rows[is_held_out])


def _spread(folder: Path) -> list[Path]:
    """Return files of a folder in an order whose every beginning is spread over all of them."""
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise Misconfigured(f"ISE_CALIBRATION={folder} can't be read ({error}).") from error
    step = max(1, len(paths) // _MOST)
    return [path for start in range(step) for path in paths[start::step]][:_READ]
