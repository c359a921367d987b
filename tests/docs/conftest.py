"""The end-to-end tests' services and pictures."""

from tests.e2e.conftest import pytest_runtest_makereport, sample, start

__all__ = ["pytest_runtest_makereport", "sample", "start"]
