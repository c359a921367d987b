"""The compiled extension, which is optional: without it, faiss and numpy do the same."""

import logging
import os
import sys
from functools import cache
from types import ModuleType

_LEVELS = {"NONE": 0, "AVX2": 1}
_NEWEST = 2

log = logging.getLogger(__name__)


@cache
def native() -> ModuleType | None:
    """Return the extension, or None where it can't run."""
    try:
        from shared.engines.ivf import _native
    except ImportError:
        return None
    if not hasattr(_native, "encode"):
        log.warning(
            "The compiled search is of an older version and isn't used: `pip install -e .` builds "
            "it anew."
        )
        return None
    said = os.environ.get("FAISS_SIMD_LEVEL", "")
    level = _native.level(_LEVELS.get(said.upper(), _NEWEST))
    return _native if level > 0 and sys.byteorder == "little" else None
