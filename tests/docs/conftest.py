"""The end-to-end tests' services and pictures."""

from tests.e2e.conftest import sample, start

__all__ = ["sample", "start"]
