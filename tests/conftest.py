"""What every test stands on."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest

from tests.prompt_servers import ending_at_once
from tests.route_contexts import derived_once
from tests.unsynced import without_syncs


def pytest_configure() -> None:
    """Has services run the small network unless a test says otherwise: most are not about models.

    Takes Ctrl-C again where a shell's `&` had it ignored: the programs under test inherit it."""
    os.environ["ISE_PROFILE"] = "mini"
    os.environ["ISE_OCR"] = "off"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the real services first, so that one worker has them all: others take from the end.

    Then come the files with the longest tests, so that none is left to one worker at the end. How
    long a test may take tells how long it takes.
    """
    longest: dict[str, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        seconds = float(marker.args[0]) if marker and marker.args else 0.0
        file = item.nodeid.partition("::")[0]
        longest[file] = max(seconds, longest.get(file, 0.0))

    def order(item: pytest.Item) -> tuple[bool, float]:
        file = item.nodeid.partition("::")[0]
        return not file.startswith("tests/e2e/"), -longest[file]

    items.sort(key=order)


def pytest_collection_finish() -> None:
    """Has the collector of garbage pass over the imported modules and the collected tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _without_waits() -> Iterator[None]:
    with without_syncs(), derived_once(), ending_at_once():
        yield
