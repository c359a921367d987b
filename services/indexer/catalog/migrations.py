"""Upgrades a catalogue of an older version to the current tables.

All steps are one transaction, so that a killed process changes nothing. A step spells out what it
creates, because the tables in `schema.py` will change again.
"""

from collections.abc import Callable

from sqlalchemy import Connection, inspect, text

from shared.terms.normal_form import normal_form


def _key_places_by_uri(db: Connection) -> None:
    """One file may be known by several names."""
    key = inspect(db).get_pk_constraint("locations")["constrained_columns"]
    if "uri" in key:
        return
    _run(
        db,
        "ALTER TABLE locations RENAME TO locations_before",
        """CREATE TABLE locations (
            path TEXT NOT NULL, uri TEXT NOT NULL, ordinal INTEGER,
            mtime_ns BIGINT NOT NULL, bytes BIGINT NOT NULL,
            PRIMARY KEY (path, uri),
            FOREIGN KEY(ordinal) REFERENCES images (ordinal) ON DELETE CASCADE)""",
        """INSERT INTO locations (path, uri, ordinal, mtime_ns, bytes)
            SELECT path, uri, ordinal, mtime_ns, bytes FROM locations_before""",
        "DROP TABLE locations_before",
        "CREATE INDEX ix_locations_ordinal ON locations (ordinal)",
    )


def _note_sources(db: Connection) -> None:
    """Add tables for the claims of sources and for dismissed files. Some catalogues have these
    already.
    """
    _run(
        db,
        """CREATE TABLE IF NOT EXISTS origins (
            source TEXT NOT NULL, path TEXT NOT NULL, uri TEXT NOT NULL,
            inode BIGINT NOT NULL, tags JSON NOT NULL, metadata JSON NOT NULL,
            PRIMARY KEY (source, path, uri),
            FOREIGN KEY(path, uri) REFERENCES locations (path, uri) ON DELETE CASCADE)""",
        "CREATE INDEX IF NOT EXISTS origins_by_place ON origins (path, uri)",
        """CREATE TABLE IF NOT EXISTS dismissed (
            path TEXT NOT NULL, id VARCHAR(200) NOT NULL,
            mtime_ns BIGINT NOT NULL, bytes BIGINT NOT NULL,
            PRIMARY KEY (path))""",
        "CREATE INDEX IF NOT EXISTS ix_dismissed_id ON dismissed (id)",
        "CREATE INDEX IF NOT EXISTS features_by_ordinal ON features (ordinal)",
        "CREATE INDEX IF NOT EXISTS tags_by_key ON tags (key)",
    )


def _lease_jobs(db: Connection) -> None:
    """Several workers share the jobs, and an ingest is divided among them."""
    _run(
        db,
        "ALTER TABLE jobs ADD COLUMN worker VARCHAR(100)",
        "ALTER TABLE jobs ADD COLUMN leased_until FLOAT",
        "ALTER TABLE jobs ADD COLUMN cancelling BOOLEAN DEFAULT false NOT NULL",
        """CREATE TABLE parts (
            job_id VARCHAR(40) NOT NULL, plan VARCHAR(64) NOT NULL, number INTEGER NOT NULL,
            state VARCHAR(20) NOT NULL, task JSON NOT NULL, attempts INTEGER NOT NULL,
            done INTEGER NOT NULL, failed INTEGER NOT NULL, error TEXT, result JSON,
            worker VARCHAR(100), leased_until FLOAT,
            PRIMARY KEY (job_id, plan, number),
            FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE)""",
        "CREATE INDEX parts_by_state ON parts (state)",
    )


def _normalise_tag_keys(db: Connection) -> None:
    """Give tags the keys of today, by which `_`, `-` and spaces are alike.

    Where an image has two tags of one key, it keeps the one that had the key already, or that
    sorts first.
    """
    rows = db.execute(text("SELECT DISTINCT key, tag FROM tags ORDER BY key, tag")).all()
    for former, tag in rows:
        change = {"former": former, "tag": tag, "key": normal_form(tag)}
        if change["key"] == former:
            continue
        db.execute(
            text(
                "DELETE FROM tags WHERE key = :former AND tag = :tag AND ordinal IN "
                "(SELECT ordinal FROM tags WHERE key = :key)"
            ),
            change,
        )
        db.execute(
            text("UPDATE tags SET key = :key WHERE key = :former AND tag = :tag"),
            change,
        )


def _remember_words(db: Connection) -> None:
    """Add the time of a file's change, users' words on deleted images, and mount points."""
    # Byte order in both databases, as text has in `schema.py`.
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    _run(
        db,
        "ALTER TABLE locations ADD COLUMN ctime_ns BIGINT DEFAULT '0' NOT NULL",
        f"""CREATE TABLE remembered (
            id VARCHAR(200){ordered} NOT NULL, tags JSON NOT NULL, metadata JSON NOT NULL,
            said_tags JSON NOT NULL, said_metadata JSON NOT NULL, revision BIGINT NOT NULL,
            PRIMARY KEY (id))""",
        "CREATE INDEX ix_remembered_revision ON remembered (revision)",
        f"""CREATE TABLE mounts (
            source TEXT{ordered} NOT NULL, path TEXT{ordered} NOT NULL,
            PRIMARY KEY (source, path))""",
    )


STEPS: tuple[Callable[[Connection], None], ...] = (
    _key_places_by_uri,
    _note_sources,
    _lease_jobs,
    _normalise_tag_keys,
    _remember_words,
)
"""The step at n leads from version n to n + 1."""


def migrate(db: Connection, version: int) -> None:
    """Run all steps after a version, within a write."""
    for step in STEPS[version:]:
        step(db)


def _run(db: Connection, *statements: str) -> None:
    for statement in statements:
        db.exec_driver_sql(statement)
