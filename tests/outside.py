"""Settings of whoever runs the tests, which these leave aside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

UNDER_TEST = {"ISE_INFERENCE", "ISE_OCR", "ISE_PRECISION", "ISE_PROFILE"}
"""The engine to run the tests with (`make test-portable`), and what `tests/conftest.py` sets."""


@contextmanager
def no_settings_from_outside() -> Iterator[None]:
    """Take the settings of the product out of the environment, but for what is under test."""
    names = [name for name in os.environ if name.startswith("ISE_") and name not in UNDER_TEST]
    kept = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(kept)
