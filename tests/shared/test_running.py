"""A service as a process of its own: what it says when it can't run, and when it can."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shared.cli.service import free_port

ROOT = Path(__file__).parents[2]


def ended(folder: Path, name: str = "query", **env: str) -> subprocess.CompletedProcess[str]:
    """A service that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", f"services.{name}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("key", ["s3cret\u00e9", " s3cret"])
def test_a_malformed_key_is_not_shown(tmp_path, key):
    done = ended(tmp_path, ISE_API_KEY=key)
    assert done.returncode == 2
    assert done.stderr.startswith("ISE_API_KEY: ")
    assert "s3cret" not in done.stdout + done.stderr


def test_a_bad_port_is_shown(tmp_path):
    done = ended(tmp_path, ISE_QUERY_PORT="99999")
    assert done.returncode == 2
    assert done.stderr.startswith("ISE_QUERY_PORT=99999: ")
    assert done.stderr.count("\n") == 1


def test_a_list_that_is_no_json_is_one_sentence(tmp_path):
    done = ended(tmp_path, "indexer", ISE_INGEST_ROOTS="/pictures")
    assert done.returncode == 2
    assert "ingest_roots" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unusable_data_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    port = str(free_port())
    done = ended(
        tmp_path, "indexer", ISE_DATA_DIR=str(tmp_path / "file" / "x"), ISE_INDEXER_PORT=port
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last == f"{tmp_path / 'file' / 'x'}: Not a directory. Look at ISE_DATA_DIR."


def test_it_does_not_listen_where_it_can_not_and_tells_of_slips(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ended(tmp_path, ISE_QUERY_PORT=port, ISE_QUERYPORT="1")
    assert done.returncode == 1
    assert "listening" not in done.stderr
    assert "ISE_QUERYPORT is not a setting; did you mean ISE_QUERY_PORT?" in done.stderr
