"""The contract of engines on a full Milvus, and what happens when it is killed.

The package `milvus` has the server as a binary (2.3.5). It is no dependency, as its version
is older than what the compose file runs; `ISE_MILVUS_PYTHON` names an interpreter that has it.
"""

import os
import subprocess
import sys

import pytest

from tests.e2e.engine import REPOSITORY
from tests.engine.milvus_server import FullServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        FullServer.python() is None,
        reason="the package milvus is not installed; ISE_MILVUS_PYTHON names a Python that has it",
    ),
]


def test_the_contract_holds_on_a_full_milvus() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-m", "slow", "-k", "milvus", "--timeout", "600"),
            *("tests/engine/test_contract.py", "tests/engine/test_milvus.py"),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "ISE_TEST_MILVUS": "full"},
        capture_output=True,
        text=True,
        timeout=1700,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
