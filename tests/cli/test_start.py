"""What the command line loads before it does anything."""

import subprocess
import sys

import pytest

from shared.cli.main import main
from shared.core.version import VERSION

_LISTS = "import shared.cli.main, sys; print('\\n'.join(sys.modules))"


def test_command_line_loads_no_web_framework() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", _LISTS], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "shared.cli.main" in loaded
    assert not {"fastapi", "starlette", "uvicorn"} & set(loaded)


def test_command_line_names_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ise {VERSION}\n"
