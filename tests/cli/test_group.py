"""ServiceGroup over small real processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared.cli.service import Service, environment
from shared.cli.supervisor import Supervisor
from shared.cli.up import ServiceEnded, ServiceGroup
from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import ServiceSettings
from tests.ports import free_port

ROOT = Path(__file__).parents[2]

ANSWERS = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"detail": "loading"}'
        self.send_response(503 if os.environ.get("NEVER_READY") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
print("hello from", sys.argv[1], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
FAILS = "import sys; print('no model found', file=sys.stderr); sys.exit(3)"
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
PARENT = """
import sys, time
from shared.cli.service import Service
from shared.cli.up import ServiceGroup
command = (sys.executable, "-c", "import time; time.sleep(60)")
group = ServiceGroup([Service("sleeper", command, "127.0.0.1", int(sys.argv[1]))])
group.start()
print(group.pids()["sleeper"], flush=True)
time.sleep(60)
"""


def service(code: str, name: str = "answerer") -> Service:
    port = free_port()
    return Service(name, (sys.executable, "-c", code, str(port)), "127.0.0.1", port)


def runs(pid: int) -> bool:
    """Whether a process is there and not just a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_starts_waits_tells_and_ends(tmp_path):
    lines: list[tuple[str, str]] = []
    two = [service(ANSWERS, "one"), service(ANSWERS, "two")]
    with ServiceGroup(
        two, sink=lambda *line: lines.append(line), log_dir=tmp_path / "logs"
    ) as group:
        assert group.wait_ready(20)
        pids = group.pids()
        assert group.url("two") == two[1].url
    assert not any(runs(pid) for pid in pids.values())
    assert ("two", f"hello from {two[1].port}") in lines
    assert (tmp_path / "logs" / "one.log").read_text() == f"hello from {two[0].port}\n"


@pytest.mark.slow
def test_env_reaches_the_processes_and_a_service_that_never_is_ready_is_named():
    waits: list[dict[str, str]] = []
    group = ServiceGroup([service(ANSWERS)], env={"NEVER_READY": "1"})
    with group, pytest.raises(Unavailable) as caught:
        group.wait_ready(6.0, waits.append)
    assert "answerer (loading) took over 6 seconds" in caught.value.detail
    assert waits[-1] == {"answerer": "loading"}
    assert waits.count(waits[-1]) == 1


def test_a_service_that_ends_is_named_and_the_others_end():
    with ServiceGroup([service(ANSWERS), service(FAILS, "failer")]) as group:
        pids = group.pids()
        with pytest.raises(ServiceEnded) as caught:
            group.wait_ready(20)
    assert caught.value.detail == "The failer exited with code 3."
    assert caught.value.extra == {
        "service": "failer",
        "exit_code": 3,
        "last_lines": ["no model found"],
    }
    assert not any(runs(pid) for pid in pids.values())


@contextmanager
def watched(group: ServiceGroup) -> Iterator[list[str]]:
    """What a group says that is watched in a thread meanwhile."""
    said: list[str] = []
    thread = threading.Thread(target=group.watch, args=(said.append,))
    thread.start()
    try:
        yield said
    finally:
        group.request_stop()
        thread.join()


def test_one_that_is_killed_is_started_again_and_the_others_go_on():
    with ServiceGroup([service(ANSWERS), service(ANSWERS, "other")]) as group:
        group.wait_ready(20)
        before = group.pids()
        with watched(group) as said:
            os.kill(before["answerer"], signal.SIGKILL)
            assert eventually(lambda: "The answerer is back." in said, 30)
            after = group.pids()
            assert after["other"] == before["other"]
            assert after["answerer"] != before["answerer"]
            assert httpx.get(group.url("answerer"), trust_env=False).is_success
    assert said[0] == (
        "The answerer was stopped by SIGKILL. It restarts in a second; the others keep running."
    )
    assert not any(runs(pid) for pid in after.values())


FAILS_LATER = ANSWERS.replace(
    "print(", "os.path.exists('broken') and sys.exit('error: The disk is full.')\nprint("
)


@pytest.mark.slow
def test_one_that_cannot_start_again_says_why_and_is_tried_until_it_can(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ServiceGroup([service(FAILS_LATER)]) as group:
        group.wait_ready(20)
        with watched(group) as said:
            Path("broken").touch()
            os.kill(group.pids()["answerer"], signal.SIGKILL)
            assert eventually(lambda: len(said) >= 2, 30)
            Path("broken").unlink()
            assert eventually(lambda: "The answerer is back." in said, 30)
    assert said[1] == (
        "The answerer can't start: The disk is full. It restarts in 2 seconds; the others keep "
        "running."
    )


def test_asked_to_stop_in_the_pause_before_a_start_it_ends():
    with ServiceGroup([service(ANSWERS)]) as group:
        group.wait_ready(20)
        with watched(group) as said:
            os.kill(group.pids()["answerer"], signal.SIGKILL)
            assert eventually(lambda: said)
    assert group.pids() == {}


class Ends:
    """A process that has ended as soon as it was started."""

    exit_code = 1

    def kill(self) -> None:
        return


def test_the_pause_doubles_up_to_a_minute_and_begins_anew_after_a_steady_minute():
    now, said = [0.0], []
    one = Ends()
    watcher = Supervisor(
        [(service(ANSWERS), one)], lambda _: one, lambda _: "It ended.", said.append, lambda: now[0]
    )

    def ended_after(seconds: float) -> str:
        """What is said where the process runs this long once it's started."""
        now[0] += 100.0
        one.exit_code = None
        watcher.look(no_http)
        now[0] += seconds
        one.exit_code = 1
        watcher.look(no_http)
        return said[-1].split(" in ")[1].split(";")[0]

    watcher.look(no_http)
    pauses = [ended_after(1) for _ in range(7)]
    assert pauses == [f"{seconds} seconds" for seconds in (2, 4, 8, 16, 32, 60, 60)]
    assert ended_after(61) == "a second"


no_http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(503)))


def test_asked_to_stop_it_neither_waits_nor_watches():
    with ServiceGroup([service(ANSWERS)], env={"NEVER_READY": "1"}) as group:
        group.request_stop()
        assert group.wait_ready(20) is False
        group.watch(print)


def test_a_port_in_use_is_told_before_anything_starts():
    first, second = service(ANSWERS), service(ANSWERS, "other")
    with socket.create_server(("127.0.0.1", second.port)):
        group = ServiceGroup([first, second])
        with pytest.raises(Misconfigured) as caught:
            group.start()
    assert f"Port {second.port} of the other is already in use" in caught.value.detail
    assert "ISE_OTHER_PORT" in caught.value.detail
    assert group.pids() == {}


def test_what_ignores_sigterm_is_killed_after_the_grace_with_all_that_it_started():
    lines: list[str] = []
    group = ServiceGroup([service(STUBBORN)], sink=lambda _, line: lines.append(line), grace=0.3)
    with group:
        assert eventually(lambda: lines)
        pids = [*group.pids().values(), int(lines[0])]
        assert all(runs(pid) for pid in pids)
    assert eventually(lambda: not any(runs(pid) for pid in pids))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_no_orphan_when_the_parent_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(free_port())],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
    assert eventually(lambda: not runs(child))


def test_the_services_are_told_of_each_other(tmp_path):
    settings = ServiceSettings(
        _env_file=None,
        data_dir=tmp_path,
        api_key="s3cret",
        query_port=1,
        indexer_port=2,
        embedder_url="http://gpu:8002",
    )
    told = environment(settings)
    assert told["ISE_DATA_DIR"] == str(tmp_path)
    assert told["ISE_API_KEY"] == "s3cret"
    assert (told["ISE_QUERY_PORT"], told["ISE_QUERY_URL"]) == ("1", "http://127.0.0.1:1")
    assert told["ISE_INDEXER_URL"] == "http://127.0.0.1:2"
    assert told["ISE_EMBEDDER_URL"] == "http://gpu:8002"
