"""Upgrades a catalogue of an older version to the current tables.

All steps are one transaction, so that a killed process changes nothing. A step spells out what it
creates, because the tables in `schema.py` will change again.
"""

from collections.abc import Callable

from sqlalchemy import Connection, text

from services.indexer.catalog.stored_names import first_upload, thumbnail
from shared.terms.normal_form import normal_form

OLDEST = 3
"""Version that steps lead from; what is older was never in a release."""


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


def _keep_trash(db: Connection) -> None:
    """Add the facts of files, the trash, and what may be taken back."""
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    _run(
        db,
        "ALTER TABLE images ADD COLUMN file JSON",
        f"""CREATE TABLE trash (
            id VARCHAR(200){ordered} NOT NULL, deleted_at VARCHAR(40){ordered} NOT NULL,
            record JSON NOT NULL, PRIMARY KEY (id))""",
        "CREATE INDEX ix_trash_deleted_at ON trash (deleted_at)",
        f"""CREATE TABLE undos (
            token VARCHAR(40){ordered} NOT NULL, created_at VARCHAR(40){ordered} NOT NULL,
            PRIMARY KEY (token))""",
        "CREATE INDEX ix_undos_created_at ON undos (created_at)",
        f"""CREATE TABLE undo_steps (
            token VARCHAR(40){ordered} NOT NULL, id VARCHAR(200){ordered} NOT NULL,
            former JSON, later JSON, PRIMARY KEY (token, id))""",
    )


def _keep_texts(db: Connection) -> None:
    """Add the words that are read in pictures."""
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    number = "BIGINT" if db.dialect.name == "postgresql" else "INTEGER"
    _run(
        db,
        f"""CREATE TABLE texts (
            ordinal {number} NOT NULL, reader VARCHAR(100){ordered} NOT NULL,
            words JSON NOT NULL, revision BIGINT NOT NULL, PRIMARY KEY (ordinal),
            FOREIGN KEY (ordinal) REFERENCES images (ordinal) ON DELETE CASCADE)""",
        "CREATE INDEX ix_texts_revision ON texts (revision)",
    )


def _keep_judgements(db: Connection) -> None:
    """Add what people said of hits."""
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    _run(
        db,
        f"""CREATE TABLE judgements (
            kind VARCHAR(10){ordered} NOT NULL, search VARCHAR(200){ordered} NOT NULL,
            id VARCHAR(200){ordered} NOT NULL, "right" BOOLEAN NOT NULL,
            judged_at VARCHAR(40){ordered} NOT NULL, draw JSON, PRIMARY KEY (kind, search, id))""",
        "CREATE INDEX ix_judgements_judged_at ON judgements (judged_at)",
    )


def _keep_pairs(db: Connection) -> None:
    """Add perceptual hashes and pairs of pictures that were compared."""
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    number = "BIGINT" if db.dialect.name == "postgresql" else "INTEGER"
    image = "FOREIGN KEY ({}) REFERENCES images (ordinal) ON DELETE CASCADE"
    _run(
        db,
        f"""CREATE TABLE picture_hashes (
            ordinal {number} NOT NULL, version INTEGER NOT NULL,
            hash VARCHAR(128){ordered} NOT NULL, compared INTEGER, PRIMARY KEY (ordinal),
            {image.format("ordinal")})""",
        f"""CREATE TABLE picture_pairs (
            first {number} NOT NULL, second {number} NOT NULL, exact BOOLEAN NOT NULL,
            numbers JSON NOT NULL, PRIMARY KEY (first, second), {image.format("first")},
            {image.format("second")})""",
        "CREATE INDEX picture_pairs_by_second ON picture_pairs (second)",
    )


def _keep_second_files(db: Connection) -> None:
    """Add the SHA-256 of files that are not the image's own, as the RAW beside a JPEG."""
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    _run(
        db,
        f"ALTER TABLE locations ADD COLUMN sha256 VARCHAR(64){ordered} DEFAULT '' NOT NULL",
    )


def _keep_removed_files(db: Connection) -> None:
    """Add the list of images whose stored files are still to be removed."""
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    _run(db, f"CREATE TABLE removed_files (id VARCHAR(200){ordered} NOT NULL, PRIMARY KEY (id))")


def _keep_frames(db: Connection) -> None:
    """Add the key frames of videos."""
    is_server = db.dialect.name == "postgresql"
    ordered = ' COLLATE "C"' if is_server else ""
    number, bytes_ = ("BIGINT", "BYTEA") if is_server else ("INTEGER", "BLOB")
    _run(
        db,
        f"""CREATE TABLE frames (
            ordinal {number} NOT NULL, fingerprint VARCHAR(200){ordered} NOT NULL,
            times JSON NOT NULL, features {bytes_} NOT NULL, revision BIGINT NOT NULL,
            PRIMARY KEY (ordinal, fingerprint),
            FOREIGN KEY (ordinal) REFERENCES images (ordinal) ON DELETE CASCADE)""",
        "CREATE INDEX frames_by_revision ON frames (fingerprint, revision)",
    )


def _name_removed_files(db: Connection) -> None:
    """List stored files by their names, which the same picture doesn't get again."""
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    listed = db.execute(text("SELECT id FROM removed_files")).scalars().all()
    names = [name for one in listed for name in _removable(db, one)]
    _run(
        db,
        "DROP TABLE removed_files",
        f"""CREATE TABLE removed_files (
            name VARCHAR(200){ordered} NOT NULL, state VARCHAR(10){ordered} NOT NULL,
            since FLOAT NOT NULL, PRIMARY KEY (name))""",
    )
    if names:
        db.execute(
            text("INSERT INTO removed_files (name, state, since) VALUES (:name, 'due', 0)"),
            [{"name": name} for name in names],
        )


def _removable(db: Connection, image_id: str) -> list[str]:
    """Return the names of an image's stored files that no row names.

    One that was added again may have its file elsewhere: the upload of before is nobody's then.
    """
    query = """
        SELECT path FROM images LEFT JOIN locations ON locations.ordinal = images.ordinal
        WHERE images.id = :id UNION ALL SELECT CAST(record AS TEXT) FROM trash WHERE id = :id"""
    named = db.execute(text(query), {"id": image_id}).scalars().all()
    upload = first_upload(image_id)
    removable = [] if any(upload in one for one in named if one) else [upload]
    return removable if named else [*removable, thumbnail(image_id)]


def _keep_unusable_files(db: Connection) -> None:
    """List stored files by name, and add the files whose pictures can't be read."""
    _name_removed_files(db)
    ordered = ' COLLATE "C"' if db.dialect.name == "postgresql" else ""
    _run(
        db,
        f"""CREATE TABLE unusable_files (
            path TEXT{ordered} NOT NULL, mtime_ns BIGINT NOT NULL, bytes BIGINT NOT NULL,
            inode BIGINT NOT NULL, ctime_ns BIGINT NOT NULL, sha256 VARCHAR(64){ordered} NOT NULL,
            reason TEXT{ordered} NOT NULL, reader VARCHAR(64){ordered} NOT NULL,
            since FLOAT NOT NULL, PRIMARY KEY (path))""",
        "CREATE INDEX ix_unusable_files_sha256 ON unusable_files (sha256)",
        "CREATE INDEX ix_unusable_files_since ON unusable_files (since)",
    )


STEPS: tuple[Callable[[Connection], None], ...] = (
    _normalise_tag_keys,
    _remember_words,
    _keep_trash,
    _keep_texts,
    _keep_judgements,
    _keep_pairs,
    _keep_second_files,
    _keep_removed_files,
    _keep_frames,
    _keep_unusable_files,
)
"""The step at n leads from version OLDEST + n to the next."""


def migrate(db: Connection, version: int) -> None:
    """Takes all steps from a version on, within a write."""
    for step in STEPS[version - OLDEST :]:
        step(db)


def _run(db: Connection, *statements: str) -> None:
    for statement in statements:
        db.exec_driver_sql(statement)
