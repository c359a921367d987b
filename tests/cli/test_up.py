"""`ise up` as a process, over small stand-ins for the services."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared.cli.service import NAMES
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
STAND_IN = """
import http.server, json, os, sys, time
name = "{name}"
if os.environ.get("FAILS") == name:
    sys.exit(os.environ.get("SAYS", "no weights"))
print(name, "listens", flush=True)
model = lambda name: dict(fingerprint=name, architecture=name, dim=8)
images = lambda name: dict(model(name), engine="eager-fp32")
answers = {{
    "/v1/models": dict(
        visual=images("mini-1"), matching=images("mini-1"), words=model("words-1"),
        networks=["net-1"],
    ),
    "/v1/stats": dict(
        clusters=1, tags=2, snapshot=3, metric="cosine", dim=8, recall_curve=[],
        images=int(os.environ.get("IMAGES", "5")),
        model=os.environ.get("MODEL", "mini-1"), network=os.environ.get("NETWORK", "net-1"),
    ),
}}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(answers.get(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/end":
            os._exit(9)
    def log_message(self, *_): pass
time.sleep(float(os.environ.get("LATE", "0")))
port = int(os.environ["ISE_" + name.upper() + "_PORT"])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def ports(tmp_path: Path) -> dict[str, int]:
    """Free ports; `services` of the working folder come before the real ones."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").touch()
    for name in NAMES:
        (tmp_path / "services" / f"{name}.py").write_text(STAND_IN.format(name=name))
    return {name: free_port() for name in NAMES}


@contextmanager
def started(folder: Path, ports: dict[str, int], *arguments: str, **env: str) -> Iterator:
    told = {f"ISE_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    with subprocess.Popen(
        [sys.executable, "-m", "shared.cli.main", "up", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **told, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def until(stream, text: str) -> str:
    """What was written up to and with the line that holds `text`."""
    seen = ""
    for line in stream:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came: {seen}")


def rest(process) -> tuple[str, str]:
    """What was written since `until`: `communicate` would lose what was read ahead."""
    out, errors = process.stdout.read(), process.stderr.read()
    process.wait(timeout=60)
    return out, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_a_signal_then_ends_all_three(tmp_path, ports, number):
    # Late, so that it is waited for.
    with started(tmp_path, ports, LATE="0.5") as process:
        told = until(process.stdout, "Ctrl-C")
        assert f"Data: {tmp_path / 'data'}\n" in told
        assert "embedder | embedder listens" in told
        assert "Waiting for " in told
        assert f"The page: http://127.0.0.1:{ports['query']}/" in told
        assert f"http://127.0.0.1:{ports['indexer']}/docs" in told
        process.send_signal(number)
        _, errors = rest(process)
    assert (process.returncode, errors) == (0, "")
    assert all(closed(port) for port in ports.values())


@pytest.mark.parametrize(
    ("env", "way_out"),
    [
        ({"MODEL": "mini-0"}, "`ise build`"),
        pytest.param(
            {"MODEL": "mini-0", "NETWORK": "net-0"}, "`ise build`", marks=pytest.mark.slow
        ),
        ({"NETWORK": "net-0"}, "`ise train-matching`"),
        pytest.param({}, None, marks=pytest.mark.slow),
        ({"MODEL": "mini-0", "IMAGES": "0"}, None),
    ],
)
def test_models_that_do_not_fit_the_index_are_told_of_in_a_line(tmp_path, ports, env, way_out):
    with started(tmp_path, ports, "--log-dir", "logs", **env) as process:
        until(process.stdout, "Ctrl-C")
        process.send_signal(signal.SIGTERM)
        out, errors = rest(process)
    *warning, last = out.splitlines()
    assert (errors, last) == ("", "Stopping all three.")
    assert len(warning) == (1 if way_out else 0)
    assert all(way_out in line and "-0" in line for line in warning)


def test_one_that_ends_is_started_again_and_named_in_a_line(tmp_path, ports):
    with started(tmp_path, ports, "--log-dir", "logs") as process:
        until(process.stdout, "Ctrl-C")
        httpx.get(f"http://127.0.0.1:{ports['indexer']}/end", trust_env=False)
        told = until(process.stdout, "is back")
        assert not any(closed(port) for port in ports.values())
        process.send_signal(signal.SIGTERM)
        out, errors = rest(process)
    assert (process.returncode, errors, out) == (0, "", "Stopping all three.\n")
    assert told.splitlines() == [
        "The indexer exited with code 9. It restarts in a second; the others keep running.",
        "The indexer is back.",
    ]
    assert (tmp_path / "logs" / "indexer.log").read_text() == "indexer listens\n" * 2
    assert all(closed(port) for port in ports.values())


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_in_the_pause_before_a_start_ends_all_three(tmp_path, ports, number):
    with started(tmp_path, ports, "--log-dir", "logs") as process:
        until(process.stdout, "Ctrl-C")
        httpx.get(f"http://127.0.0.1:{ports['embedder']}/end", trust_env=False)
        until(process.stdout, "It restarts in")
        process.send_signal(number)
        _, errors = rest(process)
    assert (process.returncode, errors) == (0, "")
    assert all(closed(port) for port in ports.values())


def test_one_that_never_starts_is_named_with_its_last_lines(tmp_path, ports):
    with started(tmp_path, ports, FAILS="embedder") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "The embedder exited with code 1.\n  no weights\n"


def test_why_one_can_not_start_is_said_once_and_last(tmp_path, ports):
    with started(tmp_path, ports, FAILS="indexer", SAYS="error: The folder is locked.") as process:
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (1, "The indexer can't start: The folder is locked.\n")
    assert "locked" not in out


def test_why_one_can_not_start_is_in_its_log_too(tmp_path, ports):
    said = "error: The folder is locked."
    with started(tmp_path, ports, "--log-dir", "logs", FAILS="indexer", SAYS=said) as process:
        process.communicate(timeout=60)
    assert (tmp_path / "logs" / "indexer.log").read_text() == f"{said}\n"


def test_a_typing_slip_is_told_of_first(tmp_path, ports):
    with started(tmp_path, ports, FAILS="query", ISE_DATADIR="x") as process:
        out, _ = process.communicate(timeout=60)
    assert out.startswith("ISE_DATADIR is not a setting; did you mean ISE_DATA_DIR?\n")


def test_a_port_in_use_is_one_sentence(tmp_path, ports):
    with (
        socket.create_server(("127.0.0.1", ports["query"])),
        started(tmp_path, ports) as process,
    ):
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert errors.startswith(f"Port {ports['query']} of the query is already in use.")
    assert errors.count("\n") == 1


def test_json_gives_the_addresses_and_leaves_the_rest_to_stderr(tmp_path, ports):
    with started(tmp_path, ports, "--json") as process:
        urls = json.loads(until(process.stdout, "}"))
        process.send_signal(signal.SIGTERM)
        out, errors = rest(process)
    assert urls == {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    assert (process.returncode, out) == (0, "")
    assert "query    | query listens" in errors
