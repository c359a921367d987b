"""What `make` would run."""

import os
import shutil
import subprocess

import pytest

from demo.run import DATA
from tests.e2e.engine import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def told(*arguments: str, **env: str) -> str:
    # These tests are run by `make` themselves, which tells what it calls so.
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=REPOSITORY,
        env={**outside, **env},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_data_folder_of_the_environment_or_the_env_file_is_left_to_the_settings():
    assert "DATA_DIR" not in told("run", ISE_DATA_DIR="elsewhere")


def test_the_demo_has_a_data_folder_of_its_own_and_run_serves_ones_own():
    assert told("demo").rstrip().endswith("-m demo.run")
    assert DATA == "data-demo"
    assert told("run").rstrip().endswith("/ise up")
    assert 'ISE_DATA_DIR="data-demo"' in told("run", "DATA=data-demo")


def test_folders_may_have_blanks():
    assert '--data "my data" --images "my pictures"' in told(
        "demo", "DATA=my data", "IMAGES=my pictures"
    )
    assert 'ISE_DATA_DIR="my data"' in told("run", "DATA=my data")


def test_containers_are_built_run_and_ended():
    assert told("up").rstrip().endswith("up --build")
    assert told("down").rstrip().endswith("down")


def test_benchmarks_take_sizes_and_leave_out_vectors_that_are_not_there(tmp_path):
    bare = told("bench", "SIZE=2000x16", f"VECTORS={tmp_path}")
    assert "search --size 2000x16 \n" in bare
    assert "--vectors" not in bare
    (tmp_path / "base_f16_1k_8.npy").touch()
    assert f'--vectors "{tmp_path}"' in told("bench", f"VECTORS={tmp_path}")
    assert "scale --rows 9 --dim 8" in told("bench-scale", "ROWS=9", "DIM=8")
