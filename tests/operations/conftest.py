"""Real services as processes, as the end-to-end tests have them."""

from tests.e2e.conftest import engine as engine
from tests.e2e.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.e2e.conftest import sample as sample
from tests.e2e.conftest import start as start
