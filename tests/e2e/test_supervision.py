"""`ise up` with the real services: one is killed, the others go on, and it comes back."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from demo.sample import draw_sample
from tests.e2e.engine import REPOSITORY
from tests.e2e.processes import children
from tests.ports import free_port

pytestmark = pytest.mark.slow

NAMES = ("query", "indexer", "embedder")


def until(condition: Callable[[], object], seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


@dataclass
class Up:
    """A running `ise up`, and `ise` as a command beside it."""

    process: subprocess.Popen[str]
    folder: Path
    env: dict[str, str]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.env[f'ISE_{name.upper()}_PORT']}"

    def ready(self, name: str = "query") -> dict[str, object]:
        try:
            answer = httpx.get(f"{self.url(name)}/ready", trust_env=False, timeout=120)
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.is_success else {}

    def ise(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "shared.cli.main", *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def pid(self, name: str) -> int:
        """The process of a service, which `ise up` started."""
        for pid in children(self.process.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if f"services.{name}".encode() in command:
                return pid
        raise AssertionError(f"there is no {name}")

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    def said(self) -> str:
        return (self.folder / "up.out").read_text()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    ports = {f"ISE_{name.upper()}_PORT": str(free_port()) for name in NAMES}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ISE_")}
    env = {**clean, **ports, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
    with (folder / "up.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.cli.main", "up", "--log-dir", "logs"],
            cwd=folder,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = Up(process, folder, env)
        try:
            until(lambda: "Press Ctrl-C to stop all three" in running.said())
            manifest = draw_sample(folder / "sample", count=24, seed=3)
            done = running.ise("ingest", str(manifest))
            assert done.returncode == 0, done.stderr
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_without_the_embedder_tags_and_pictures_go_on_and_all_say_what_is_paused(up: Up) -> None:
    tag = json.loads(httpx.get(f"{up.url('query')}/v1/tags", trust_env=False).text)["tags"][0]
    term = str(tag["tag"])
    before = up.said().count("The embedder is back.")
    pids = {name: up.pid(name) for name in ("query", "indexer")}
    up.kill("embedder")

    until(lambda: "paused" in up.ready())
    assert up.ready()["paused"][0].startswith("Search by picture is paused: the embedder ")
    assert "http" not in str(up.ready()["paused"])
    until(lambda: "paused" in up.ready("indexer"))

    with httpx.Client(base_url=up.url("query"), trust_env=False, timeout=60) as http:
        hits = http.get("/v1/search", params={"term": term, "limit": 3}).json()["hits"]
        assert hits
        for part in ("file", "thumbnail"):
            answer = http.get(f"/v1/images/{hits[0]['id']}/{part}")
            assert (answer.status_code, answer.headers["content-type"][:6]) == (200, "image/")

    until(lambda: up.said().count("The embedder is back.") > before)
    assert "The embedder was stopped by SIGKILL. It restarts in" in up.said()
    until(lambda: "paused" not in up.ready())
    assert pids == {name: up.pid(name) for name in ("query", "indexer")}


@pytest.fixture
def without_embedder(up: Up) -> Iterator[Up]:
    """No embedder for the time of a test: it is killed whenever it comes back."""
    os.kill(up.process.pid, signal.SIGSTOP)
    before = up.said().count("The embedder is back.")
    up.kill("embedder")
    until(lambda: up.ready("indexer").get("missing") == {"embedder": "away"})
    yield up
    os.kill(up.process.pid, signal.SIGCONT)
    until(lambda: up.said().count("The embedder is back.") > before)


def test_commands_that_need_it_say_so_at_once_and_the_doctor_ends_with_1(
    without_embedder: Up,
) -> None:
    up = without_embedder
    for command in (("ingest", "sample"), ("add", "sample/x.jpg"), ("train-matching",)):
        done = up.ise(*command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("The embedder is not running")
        assert "`ise up`" in done.stderr
        assert done.stderr.count("\n") == 1
    done = up.ise("doctor")
    assert done.returncode == 1
    assert "problem embedder: Nothing answers" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", ["indexer", "embedder"])
def test_a_command_that_waits_for_its_job_survives_the_restart_of_a_service(
    up: Up, name: str
) -> None:
    manifest = draw_sample(up.folder / f"more-{name}", count=150, seed=len(name))
    command = [sys.executable, "-m", "shared.cli.main", "ingest", str(manifest)]
    with subprocess.Popen(
        command,
        cwd=up.folder,
        env=up.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ingest:
        # The first line comes when the job was accepted.
        errors = ingest.stderr.readline()
        up.kill(name)
        errors += ingest.communicate(timeout=400)[1]
    assert ingest.returncode == 0, errors
    assert "is done." in errors
    until(lambda: "paused" not in up.ready() and up.ready() != {})


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_no_other_user_reads_the_catalogue_pictures_logs_exports_or_a_backup(up: Up) -> None:
    for command in (("backup", "backup"), ("export", "exported")):
        done = up.ise(*command)
        assert done.returncode == 0, done.stderr
    for name in ("data", "logs", "backup", "exported"):
        paths = [up.folder / name, *(up.folder / name).rglob("*")]
        assert len(paths) > 3
        open_ones = [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
        assert open_ones == []
