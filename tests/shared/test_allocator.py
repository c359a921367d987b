"""Arenas of glibc's malloc, in a process of its own."""

import platform
import re
import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
from shared.core.allocator import bound_arenas

libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
if sys.argv[1] == "bounded":
    bound_arenas()
all_hold = threading.Barrier(9)


def hold():
    assert libc.malloc(100_000)
    all_hold.wait()


for _ in range(8):
    threading.Thread(target=hold, daemon=True).start()
all_hold.wait()
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


def arenas(how, **env):
    done = subprocess.run(
        [sys.executable, "-c", THREADS, how], capture_output=True, text=True, env=env, check=True
    )
    return len(re.findall(r"<heap nr=", done.stdout))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_threads_share_two_arenas_unless_the_environment_says_otherwise():
    assert arenas("as it is") > 2
    assert arenas("bounded") == 2
    assert arenas("bounded", MALLOC_ARENA_MAX="3") == 3
