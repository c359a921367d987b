"""Reads `.npy` files written by this project; `npy_stream.py` of the indexer reads those of
others.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def load(path: Path, mapped: bool = False) -> NDArray[Any]:
    """The array in a file, never unpickled; `mapped`: it stays on disk.

    Raises ValueError where it is damaged, in the place of all that numpy's parser of the header
    raises, and OSError.
    """
    try:
        found = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if not isinstance(found, np.ndarray):
        found.close()
        raise ValueError("it is an archive of arrays, not one array")
    return found
