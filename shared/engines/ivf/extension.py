"""The compiled extension, which is optional: without it, faiss and numpy do the same."""

import os
import sys
from functools import cache
from types import ModuleType

_LEVELS = {"NONE": 0, "AVX2": 1}
_NEWEST = 2


@cache
def native() -> ModuleType | None:
    """Return the extension, or None where it can't run."""
    try:
        from shared.engines.ivf import _native
    except ImportError:
        return None
    said = os.environ.get("FAISS_SIMD_LEVEL", "")
    level = _native.level(_LEVELS.get(said.upper(), _NEWEST))
    return _native if level > 0 and sys.byteorder == "little" else None
