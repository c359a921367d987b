"""A PostgreSQL server of its own for the tests, from the system's package."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

NOT_INSTALLED = "PostgreSQL is not installed (Debian's package `postgresql`)"
# No power is cut here: without syncs, tests are quicker.
_SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "log_min_messages": "warning",
}


def program(name: str) -> str | None:
    """Debian keeps the server's programs out of PATH."""
    kept = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return shutil.which(name) or next(map(str, kept), None)


def need_installed() -> None:
    """Skips a test where there is no server; with ISE_REQUIRE_ALL it has failed."""
    if program("initdb") is None:
        (pytest.fail if os.environ.get("ISE_REQUIRE_ALL") else pytest.skip)(NOT_INSTALLED)


class Server:
    """`stop` and `start` as often as one likes; `new` makes an empty database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The server refuses to be root's.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        folder.chmod(0o755)
        self._run("initdb", "--no-sync", "--username=ise", "--encoding=UTF8", "--locale=C.UTF-8")

    def start(self) -> None:
        settings = _SETTINGS | {"unix_socket_directories": str(self._folder)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def new(self) -> str:
        """The URL of a new database."""
        name = f"ise_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(host=str(self._folder), user="ise", dbname="postgres") as connection:
            connection.autocommit = True
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://ise:not-told@/{name}?host={self._folder}"

    def end_connections(self, url: str) -> None:
        """Ends all connections to a database, as a server that fails over does."""
        name = url.partition("@/")[2].partition("?")[0]
        with psycopg.connect(host=str(self._folder), user="ise", dbname="postgres") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [name],
            )

    def _run(self, name: str, *arguments: str) -> None:
        found = program(name)
        assert found is not None
        command = [found, f"--pgdata={self._folder / 'data'}", *arguments]
        done = subprocess.run(
            command, user=self._user, cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def running() -> Iterator[Server]:
    """A server until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="ise-pg-"))
    try:
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real server; a test that asks for it is skipped where it isn't installed."""
    need_installed()
    with running() as server:
        yield server
