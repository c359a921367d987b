"""CI's tests are not green by being skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.engine import REPOSITORY

_TESTS = """
import pytest

@pytest.mark.skipif(True, reason="needs a browser")
def test_marked(): ...

def test_called():
    pytest.skip("needs a browser")

def test_reference():
    pytest.skip("ISE_REFERENCE_DATA names no folder")

def test_containers():
    pytest.skip("needs a container engine")

@pytest.mark.xfail
def test_known():
    assert False
"""


@pytest.mark.parametrize(
    ("required", "told"),
    [("1", "1 failed, 2 skipped, 1 xfailed, 1 error"), ("", "4 skipped, 1 xfailed")],
)
@pytest.mark.slow
def test_what_is_skipped_has_failed_where_all_is_required(
    tmp_path: Path, required: str, told: str
) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.e2e.conftest import pytest_runtest_makereport\n"
    )
    (tmp_path / "test_it.py").write_text(_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "ISE_REQUIRE_ALL": required},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines()[-1].startswith(told), done.stdout


def test_ci_requires_all() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert "export ISE_REQUIRE_ALL=1" in script
    for target in ("check", "test", "test-portable", "test-slow"):
        assert f"\nmake {target}\n" in script
