"""Data directories that older versions wrote, opened by this one. They are in `old_data`."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import inspect

from services.indexer.catalog import migrations, schema
from services.indexer.catalog.database import Database
from services.query.search.snapshot_reader import SnapshotReader
from shared.clients import indexer, query
from shared.core import failpoints
from shared.core.errors import FingerprintMismatch, Misconfigured, NotFound
from shared.files import sums
from shared.snapshots.manifest import FORMAT
from shared.snapshots.store import SnapshotStore
from tests.e2e.engine import Engine
from tests.postgres import Server, postgres

__all__ = ["postgres"]

FOLDER = Path(__file__).with_name("old_data")
OLD = sorted(path.name.removesuffix(".tar.xz") for path in FOLDER.glob("*.tar.xz"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, data: Path) -> dict[str, Any]:
    """Unpacks an old data directory; gives what its version answered."""
    return unpack(request.param, data)


def unpack(name: str, data: Path) -> dict[str, Any]:
    with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
        archive.extractall(data, filter="data")
    answers = data / "answers.json"
    told: dict[str, Any] = json.loads(answers.read_text())
    answers.unlink()
    return told


def url_of(data: Path) -> str:
    return f"sqlite:///{data / 'catalog.sqlite'}"


def rows(data: Path) -> dict[str, list[Any]]:
    """All that an older catalogue says, by table and column."""
    with closing(sqlite3.connect(data / "catalog.sqlite")) as db:
        names = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        tables = [name for name in names if name not in ("counters", "sqlite_sequence")]
        return {
            f"{table}.{column}": sorted(db.execute(f"SELECT {column}, rowid FROM {table}"), key=str)  # noqa: S608
            for table in tables
            for _, column, *_ in db.execute(f"PRAGMA table_info({table})").fetchall()
        }


def tables(database: Database) -> dict[str, Any]:
    """Columns, keys and indexes, as the database itself tells them."""
    look = inspect(database.engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(name)],
            look.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], i["column_names"], i["unique"]) for i in look.get_indexes(name)),
            [
                (f["constrained_columns"], f["referred_table"], f["options"])
                for f in look.get_foreign_keys(name)
            ],
        )
        for name in look.get_table_names()
    }


def test_there_is_a_step_from_each_version() -> None:
    assert migrations.OLDEST + len(migrations.STEPS) == schema.VERSION


def test_a_catalogue_that_is_too_old_is_refused_with_what_to_do(data: Path) -> None:
    unpack(OLD[0], data)
    with closing(sqlite3.connect(data / "catalog.sqlite")) as db:
        db.execute("UPDATE counters SET value = 2 WHERE name = 'version'")
        db.commit()
    for migrate in (True, False):
        with pytest.raises(Misconfigured, match=r"versions from 3 on.*ingest"):
            Database(url_of(data), migrate)


def test_an_old_catalogue_becomes_as_a_new_one_and_loses_nothing(
    old: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    before = rows(data)
    migrated, fresh = Database(url_of(data)), Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    assert tables(migrated) == tables(fresh)
    migrated.close()
    fresh.close()
    after = rows(data)
    assert {name: after[name] for name in before} == before
    # Again, there is nothing to do.
    Database(url_of(data)).close()
    assert rows(data) == after


def test_a_step_leads_to_the_same_tables_in_both_databases(postgres: Server) -> None:
    url = postgres.new()
    fresh = Database(url)
    wanted = tables(fresh)
    with fresh.write() as db:
        db.exec_driver_sql("ALTER TABLE locations DROP COLUMN ctime_ns")
        db.exec_driver_sql("ALTER TABLE locations DROP COLUMN sha256")
        db.exec_driver_sql("ALTER TABLE images DROP COLUMN file")
        for name in (
            "remembered",
            "mounts",
            "trash",
            "undos",
            "undo_steps",
            "picture_pairs",
            "picture_hashes",
            "judgements",
            "texts",
            "removed_files",
            "unusable_files",
            "frames",
        ):
            db.exec_driver_sql(f"DROP TABLE {name}")
        version = schema.counters.update().where(schema.counters.c.name == "version")
        db.execute(version.values(value=3))
    fresh.close()
    migrated = Database(url)
    assert tables(migrated) == wanted
    migrated.close()


@pytest.mark.parametrize("name", OLD)
def test_a_migration_that_is_killed_leaves_the_catalogue_as_it_was(name: str, data: Path) -> None:
    unpack(name, data)
    before = (data / "catalog.sqlite").read_bytes()
    rows_before = rows(data)
    opened = (
        "import sys; from services.indexer.catalog.database import Database as D; D(sys.argv[1])"
    )
    env = {**os.environ, failpoints.VARIABLE: "catalogue.commit=kill"}
    done = subprocess.run([sys.executable, "-c", opened, url_of(data)], env=env, timeout=60)
    assert done.returncode == -9
    assert rows(data) == rows_before
    assert (data / "catalog.sqlite").read_bytes()[: len(before)] == before
    Database(url_of(data)).close()


def test_to_look_at_an_old_folder_changes_nothing_in_it(old: dict[str, Any], data: Path) -> None:
    def files() -> dict[Path, bytes]:
        found = (p for p in data.rglob("*") if p.is_file() and p.name != ".lock")
        # SQLite's own notes beside the catalogue come and go with whoever reads.
        return {p: p.read_bytes() for p in found if not p.name.endswith(("-shm", "-wal"))}

    Database(url_of(data), migrate=False).close()
    before = files()
    done = subprocess.run(
        [sys.executable, "-m", "services.indexer.care", "check", "--json"],
        env={**os.environ, "ISE_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    kinds = {found["kind"] for found in json.loads(done.stdout)["findings"]}
    assert kinds <= {"unsummed", "upload", "stray", "network"}, done.stdout
    assert files() == before


def test_a_newer_catalogue_is_refused_with_what_to_do(data: Path) -> None:
    unpack(OLD[0], data)
    database = Database(url_of(data))
    with database.write() as db:
        newer = schema.counters.update().where(schema.counters.c.name == "version")
        db.execute(newer.values(value=schema.VERSION + 1))
    database.close()
    for migrate in (True, False):
        with pytest.raises(Misconfigured, match=r"newer program.*or restore"):
            Database(url_of(data), migrate)


def test_a_newer_snapshot_is_refused_and_not_taken_for_damaged(data: Path) -> None:
    unpack(OLD[-1], data)
    store = SnapshotStore(data)
    shelf = SnapshotReader(data)
    served = shelf.current()[0].manifest.number
    number = newer_snapshot(data)
    with pytest.raises(Misconfigured, match=r"newer program.*or restore"):
        store.read(number)
    with pytest.raises(Misconfigured, match=r"newer program"):
        store.readable()
    # One that runs already goes on with what it has; one that starts does not begin with less.
    assert shelf.current()[0].manifest.number == served
    assert "newer program" in (shelf.warning or "")
    with pytest.raises(Misconfigured, match=r"newer program"):
        SnapshotReader(data).current()


@pytest.mark.parametrize("command", ["check", "repair"])
def test_what_is_newer_is_not_repaired(command: str, data: Path) -> None:
    unpack(OLD[-1], data)
    number = newer_snapshot(data)
    done = subprocess.run(
        [sys.executable, "-m", "services.indexer.care", command],
        env={**os.environ, "ISE_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "newer program" in done.stderr
    assert SnapshotStore(data).current_number() == number


def newer_snapshot(data: Path) -> int:
    """Publishes a snapshot as a newer program might: another format, and a field more."""
    store = SnapshotStore(data)
    current = store.current_number()
    assert current is not None
    number = current + 1
    manifest = json.loads(store.path(current).read_text())
    newer = json.dumps(manifest | {"format": FORMAT + 1, "number": number, "new": True}).encode()
    path = store.path(number)
    path.parent.mkdir()
    path.write_bytes(newer)
    sums.path_of(path).unlink(missing_ok=True)
    store.use(number)
    return number


@pytest.fixture(params=OLD)
def migrated(request: pytest.FixtureRequest, data: Path, start: Any) -> Iterator[Any]:
    """The services of today over an old data directory, and what its version answered."""
    told = unpack(request.param, data)
    with start() as engine:
        yield engine, told


@pytest.mark.slow
def test_an_old_folder_serves_the_same_answers_and_goes_on(migrated: Any) -> None:
    engine: Engine = migrated[0]
    told: dict[str, Any] = migrated[1]
    stats = engine.ask(query.get_stats())
    assert (stats.images, stats.model) == (told["images"], told["model"])
    asked = {"id": {"id": told["extra"]}, "term": {"term": "dog"}, "boat": {"term": "boat"}}
    for name, fields in asked.items():
        answer = engine.ask(query.search(**fields, limit=20, exact=True, rerank="none"))
        assert answer.mode.value == told[name]["mode"]
        # All images are among the hits; some versions put the nearest in another order by default.
        expected = sorted(told[name]["hits"], key=lambda hit: -hit["score"])
        assert [hit.id for hit in answer.hits] == [hit["id"] for hit in expected]
        for hit, before in zip(answer.hits, expected, strict=True):
            assert hit.score == pytest.approx(before["score"], abs=1e-5)
            assert (sorted(hit.tags), hit.uri) == (before["tags"], before["uri"])
    with pytest.raises(NotFound):
        engine.indexer.send(indexer.get_image(told["deleted"]))
    hosted = httpx.get(f"{engine.group.url('embedder')}/v1/models", trust_env=False).json()
    picture = Path(__file__).parents[2] / "docs" / "images" / "search.png"
    call = indexer.add_images([(picture.name, picture.read_bytes())])
    if hosted["visual"]["fingerprint"] != told["model"]:
        # The packaged network is another one since: nothing is compared across the two.
        with pytest.raises(FingerprintMismatch, match="ise build"):
            engine.indexer.send(call)
        return
    [added] = engine.indexer.send(call).items
    assert added.state.value == "added", added
    found = engine.ask(query.search_id(added.id, limit=1))
    assert [hit.id for hit in found.hits] == [added.id]


def test_an_old_backup_is_restored(old: dict[str, Any], data: Path, tmp_path: Path) -> None:
    """A backup is a data directory, with a mark that today's program wrote last."""
    for folder in ("images", "networks"):
        # Backups of today have what these lack: the sums beside the files.
        shutil.rmtree(data / folder, ignore_errors=True)
    mark = {"created_at": "2026-01-01T00:00:00+00:00", "snapshot": old["snapshot"]}
    mark |= {"images": old["images"], "files": 1, "copied": 1}
    with closing(sqlite3.connect(data / "catalog.sqlite")) as db:
        db.execute("DELETE FROM locations WHERE path LIKE '%/images/uploads/%'")
        db.commit()
    (data / "backup.json").write_text(json.dumps(mark))
    done = subprocess.run(
        [sys.executable, "-m", "services.indexer.care", "restore", str(data)],
        env={**os.environ, "ISE_DATA_DIR": str(tmp_path / "restored")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    Database(url_of(tmp_path / "restored"), migrate=False).close()
