"""Failpoints: nothing without the environment, and exactly what it names with it."""

import errno
import signal
import subprocess
import sys

import pytest

from shared.core import failpoints


@pytest.fixture
def armed(monkeypatch):
    def arm(text):
        monkeypatch.setenv(failpoints.VARIABLE, text)
        failpoints._armed.cache_clear()

    yield arm
    failpoints._armed.cache_clear()


def test_nothing_happens_where_none_is_named(armed):
    armed("")
    failpoints.reach("segment.renamed")


def test_a_full_disk_at_the_third_pass_alone(armed):
    armed("a=full@3, b=kill")
    failpoints.reach("other")
    failpoints.reach("a")
    failpoints.reach("a")
    with pytest.raises(OSError, match="No space left") as raised:
        failpoints.reach("a")
    assert raised.value.errno == errno.ENOSPC
    failpoints.reach("a")


def test_without_a_number_each_pass_fails(armed):
    armed("a=full")
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            failpoints.reach("a")


def test_a_kill_ends_the_process_as_a_power_cut_does():
    code = "from shared.core import failpoints; failpoints.reach('a'); print('alive')"
    ended = subprocess.run(
        [sys.executable, "-c", code], env={failpoints.VARIABLE: "a=kill"}, capture_output=True
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")


@pytest.mark.parametrize("wrong", ["a", "a=explode", "a=kill@soon"])
def test_what_is_no_action_is_an_error(armed, wrong):
    armed(wrong)
    with pytest.raises(ValueError, match="neither kill nor full"):
        failpoints.reach("b")
