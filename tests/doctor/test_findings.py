"""Each finding of `ise doctor`, by what really is broken so."""

import json
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from services.embedder.config import EmbedderSettings
from services.indexer.catalog import schema
from services.indexer.catalog.database import Database
from services.query.config import QuerySettings
from shared.core.settings import Settings
from shared.doctor import folder, machine
from shared.doctor import settings as set_up
from shared.doctor.finding import Level
from tests.doctor.levels import worst
from tests.e2e.engine import REPOSITORY

KNOWN = {name.upper() for kind in (EmbedderSettings, QuerySettings) for name in kind.model_fields}


# --- settings ---


def test_a_name_that_no_service_knows(monkeypatch):
    assert worst(set_up.unknown(KNOWN)) == (Level.OK, "0 are set, all of them known.")
    monkeypatch.setenv("ISE_RECAL_TARGET", "0.9")
    assert worst(set_up.unknown(KNOWN)) == (
        Level.WARNING,
        "ISE_RECAL_TARGET is no setting; did you mean ISE_RECALL_TARGET?",
    )


def test_a_slip_in_the_env_file(tmp_path):
    (tmp_path / ".env").write_text("ISE_WEIGTHS=a\n")
    assert "did you mean ISE_WEIGHTS" in worst(set_up.unknown(KNOWN))[1]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ISE_MAX_BATCH", "many", "ISE_MAX_BATCH: must be a whole number."),
        ("ISE_QUERY_PORT", "70000", "ISE_QUERY_PORT: must be at most 65535."),
    ],
)
def test_a_value_that_cannot_be_used(name, value, told, monkeypatch):
    monkeypatch.setenv(name, value)
    assert worst(set_up.unusable(EmbedderSettings)) == (Level.PROBLEM, told)


def test_a_list_that_is_no_json(monkeypatch):
    monkeypatch.setenv("ISE_FETCH_HOSTS", "example.org")
    level, told = worst(set_up.unusable(QuerySettings))
    assert (level, "Write lists as JSON" in told) == (Level.PROBLEM, True)


def test_services_on_one_port():
    at_odds = Settings(_env_file=None, query_port=9000, indexer_port=9000)
    level, told = worst(set_up.at_odds(at_odds))
    assert level is Level.PROBLEM
    assert "2 services have port 9000" in told


def test_an_env_file_with_a_key_that_others_may_read(tmp_path):
    (tmp_path / ".env").write_text("ISE_API_KEY=a\n")
    (tmp_path / ".env").chmod(0o644)
    assert "chmod 600" in worst(set_up.at_odds(Settings()))[1]
    (tmp_path / ".env").chmod(0o600)
    assert list(set_up.at_odds(Settings())) == []


# --- the data directory ---


def test_a_folder_that_fits(tmp_path):
    assert worst(folder.findings(tmp_path))[0] is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_others_may_look_into(tmp_path):
    tmp_path.chmod(0o755)
    level, told = worst(folder.findings(tmp_path))
    assert (level, f"chmod -R o= {tmp_path}" in told) == (Level.WARNING, True)


def test_a_folder_that_is_not_there(tmp_path):
    level, told = worst(folder.findings(tmp_path / "data"))
    assert (level, "doesn't exist" in told) == (Level.WARNING, True)


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "data").touch()
    level, told = worst(folder.findings(tmp_path / "data"))
    assert (level, "is no folder" in told) == (Level.PROBLEM, True)


def test_a_folder_that_cannot_be_written_to():
    level, told = worst(folder.findings(Path("/proc/self")))
    assert (level, "can't be written to" in told) == (Level.PROBLEM, True)


def test_a_file_system_that_does_not_rename_over(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(17, "File exists")

    monkeypatch.setattr(Path, "replace", refuse)
    level, told = worst(folder.findings(tmp_path))
    assert (level, "does not rename a file over another" in told) == (Level.PROBLEM, True)


def test_a_file_system_that_does_not_map(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(folder.mmap, "mmap", refuse)
    level, told = worst(folder.findings(tmp_path))
    assert (level, "does not map files" in told) == (Level.PROBLEM, True)


def test_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**12, 10**12 - 10**8, 10**8)
    monkeypatch.setattr(folder.shutil, "disk_usage", lambda _: usage)
    level, told = worst(folder.findings(tmp_path))
    assert (level, "0.1 of 1000.0 GB are free" in told) == (Level.WARNING, True)


# --- the machine ---


def test_too_few_open_files():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "from shared.doctor import machine\n"
        "print(*(one.sentence for one in machine.findings()))"
    )
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "may open 64 files" in told.stdout


def test_a_containers_memory_is_its_limit(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    assert machine.memory_limit(limit) == machine.memory_limit(tmp_path / "none")
    limit.write_text("1000000\n")
    assert machine.memory_limit(limit) == 1_000_000


@pytest.mark.parametrize(
    ("needed", "level"), [(1, Level.OK), (6, Level.WARNING), (9, Level.PROBLEM)]
)
def test_an_index_too_large_for_memory(needed, level):
    assert machine.enough_memory(needed * 10**8, 10**9).level is level


# --- the services' own parts ---


def told_by(service: str, **env: str) -> list[dict[str, str]]:
    """What a service's doctor finds, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}.doctor"],
        cwd=REPOSITORY,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout.splitlines()[-1])["findings"]
    return found


def bad(found: list[dict[str, str]]) -> str:
    return "\n".join(one["sentence"] for one in found if one["level"] != "ok")


def test_a_package_that_cannot_be_imported(tmp_path):
    (tmp_path / "faiss.py").write_text("raise ImportError('libopenblas.so.0: no such file')")
    told = bad(told_by("query", PYTHONPATH=str(tmp_path), ISE_DATA_DIR=str(tmp_path / "data")))
    assert "faiss, which the query needs, can't be imported (libopenblas.so.0" in told


@pytest.mark.slow
def test_files_of_the_embedder_that_cannot_be_read(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors at all")
    (tmp_path / "words.kv").write_bytes(b"\x80\x04 a pickle")
    told = bad(
        told_by(
            "embedder",
            ISE_WEIGHTS=str(tmp_path / "none.safetensors"),
            ISE_MATCHING_WEIGHTS=str(tmp_path / "broken.safetensors"),
            ISE_WORDS=str(tmp_path / "words.kv"),
            ISE_MATCHING="clip",
            ISE_CACHE_DIR="/proc/none",
        )
    )
    assert "ISE_WEIGHTS=" in told
    assert "there is no file" in told
    assert "can't be read as safetensors" in told
    assert "pickle" in told.lower()
    assert "ISE_MATCHING=clip is unknown" in told
    assert "/proc/none" not in told or "is not writable" in told


@pytest.mark.slow
def test_files_of_the_embedder_that_are_in_order(tmp_path):
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "good.safetensors")
    (tmp_path / "words.txt").write_text("1 2\ndog 0.1 0.2\n")
    found = told_by(
        "embedder",
        ISE_WEIGHTS=str(tmp_path / "good.safetensors"),
        ISE_WORDS=str(tmp_path / "words.txt"),
    )
    levels = {one["subject"]: one["level"] for one in found if one["subject"] != "packages"}
    assert (levels["weights"], levels["words"]) == ("ok", "ok")


def test_what_is_wrong_with_a_catalogue(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    path = data / "catalog.sqlite"

    def told() -> str:
        return bad(told_by("indexer", ISE_DATA_DIR=str(data), ISE_INGEST_ROOTS='["/none"]'))

    Database(f"sqlite:///{path}").close()
    fine = told()
    assert "catalogue" not in fine.lower()
    assert "There was no backup yet" in fine
    assert "there is no folder /none" in fine
    database = Database(f"sqlite:///{path}")
    with database.write() as db:
        version = schema.counters.c.name == "version"
        db.execute(schema.counters.update().where(version).values(value=99))
    database.close()
    assert "It has version 99" in told()
    path.write_bytes(b"no database" * 500)
    assert "can't be read" in told()


@pytest.mark.slow
def test_what_is_wrong_with_a_catalogue_in_postgresql(tmp_path, postgres, monkeypatch):
    (tmp_path / "data").mkdir()

    def told(url: str) -> str:
        found = told_by("indexer", ISE_DATA_DIR=str(tmp_path / "data"), ISE_DATABASE_URL=url)
        every = " ".join(one["sentence"] for one in found)
        assert "not-told" not in every
        return every

    url = postgres.new()
    assert "can be read, and has no tables yet" in told(url)
    Database(url).close()
    assert f"has version {schema.VERSION}" in told(url)
    away = "postgresql+psycopg://ise:not-told@127.0.0.1:9/ise"
    assert "ise:***@127.0.0.1:9/ise can't be reached" in told(away)
    assert "is no URL" in told("ise:not-told")
    assert "names mysql" in told("mysql://ise:not-told@localhost/ise")


def test_a_damaged_snapshot(tmp_path):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "CURRENT").write_text("000007\n")
    assert "There is no snapshot 7" in bad(told_by("query", ISE_DATA_DIR=str(tmp_path)))
