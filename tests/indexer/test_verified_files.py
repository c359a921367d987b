"""Files that are verified in the background: who waits for them, and how that ends."""

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from services.indexer.storage import verified_files
from services.indexer.storage.verified_files import VerifiedFiles
from shared.core.errors import Unavailable
from tests.indexer.running import until


def in_a_thread(work) -> Future:
    """Run in a thread that doesn't hold up the end of a test that fails."""
    found: Future = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except Unavailable as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found


def open_files(folder: Path) -> int:
    return sum(
        entry.exists() and entry.resolve().parent == folder
        for entry in Path("/proc/self/fd").iterdir()
    )


def test_closing_ends_all_that_wait(tmp_path):
    """Two files are read at once: the third has not begun, and is waited for without a limit."""
    verified = VerifiedFiles()
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        # Just written, so that reading it begins after a while.
        path.write_bytes(path.name.encode())
    for path in paths:
        with path.open("rb") as content, pytest.raises(Unavailable, match="is being checked"):
            verified.sha256_within(content, 0, "one")
    with paths[2].open("rb") as content:
        last = in_a_thread(lambda: verified.sha256(content))
        verified.close()
        with pytest.raises(Unavailable, match="being stopped"):
            last.result(20)
        with pytest.raises(Unavailable, match="being stopped"):
            verified.sha256_within(content, 5, "one")
    until(lambda: not open_files(tmp_path))


def test_one_caller_has_only_some_of_the_files_that_are_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(verified_files, "_MOST_IN_HAND", 4)
    monkeypatch.setattr(verified_files, "_MOST_OF_ONE", 2)
    verified = VerifiedFiles()
    found = []
    for name, caller in [*zip("abc", ["one"] * 3, strict=True), ("c", "two"), ("c", "one")]:
        path = tmp_path / name
        if not path.exists():
            # Just written, so that reading it begins after a while.
            path.write_bytes(name.encode())
        with path.open("rb") as content, pytest.raises(Unavailable) as told:
            verified.sha256_within(content, 0, caller)
        assert told.value.extra["checking"]
        found.append("Other large files" not in told.value.detail)
    # The last one is another's to check, and waited for.
    assert found == [True, True, False, True, True]
    with (tmp_path / "a").open("rb") as first:
        assert len(verified.sha256(first)) == 64
    until(lambda: not verified._running)
    (tmp_path / "d").write_bytes(b"d")
    with (tmp_path / "d").open("rb") as content:
        assert len(verified.sha256_within(content, 60, "one")) == 64
    verified.close()


def test_only_so_many_calls_wait(tmp_path, monkeypatch):
    """Each holds a thread of the service: the others are told at once to come again."""
    monkeypatch.setattr(verified_files, "_MOST_WAITING", 1)
    goes_on = threading.Event()
    digest = verified_files._Verification._digest

    def held(*args) -> str:
        assert goes_on.wait(60)
        return digest(*args)

    monkeypatch.setattr(verified_files._Verification, "_digest", held)
    verified = VerifiedFiles()
    path = tmp_path / "film"
    path.write_bytes(b"x")
    with path.open("rb") as content:
        first = in_a_thread(lambda: verified.sha256_within(content, 60, "one"))
        until(lambda: not verified._waiting._value)
        with pytest.raises(Unavailable) as told:
            verified.sha256_within(content, 60, "one")
        assert told.value.extra["checking"]
        goes_on.set()
        assert len(first.result(60)) == 64
        assert len(verified.sha256_within(content, 60, "one")) == 64
    verified.close()
