"""Tables of the catalogue.

Every change of an image takes the next number of one counter, its revision, so that the changes
since a snapshot are an indexed range.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
    false,
)
from sqlalchemy import (
    String as AnyString,
)
from sqlalchemy import (
    Text as AnyText,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from shared.objects.file import signed

VERSION = 13
"""Of these tables; `migrations.py` leads to it from each one before."""

metadata = MetaData()


# Byte order in both databases, whatever the server's locale is.
def String(length: int) -> TypeEngine[str]:  # noqa: N802
    return AnyString(length).with_variant(AnyString(length, collation="C"), "postgresql")


Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")


class Number(TypeDecorator[int]):
    """Number from a file system or a store; one past 64 bits is wrapped round, as in a
    `Stamp`, and never refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        return None if value is None else signed(value)


# SQLite generates row numbers only for a column of type INTEGER exactly.
_Ordinal = BigInteger().with_variant(Integer, "sqlite")

images = Table(
    "images",
    metadata,
    Column("ordinal", _Ordinal, primary_key=True, autoincrement=True),
    Column("id", String(200), nullable=False, unique=True),
    Column("sha256", String(64), nullable=False),
    Column("bytes", Number, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("created_at", String(40), nullable=False),
    # Facts that the file tells, see `FileFacts`; null where nobody has looked.
    Column("file", JSON(none_as_null=True)),
    # An ordinal is never used again: tombstones hold for ever.
    sqlite_autoincrement=True,
)

locations = Table(
    "locations",
    metadata,
    Column("path", Text, primary_key=True),
    # One file may have several uris: from two sources, or uploaded under two names.
    Column("uri", Text, primary_key=True),
    Column("ordinal", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), index=True),
    Column("mtime_ns", Number, nullable=False),
    Column("bytes", Number, nullable=False),
    # The time of the last change of the file's inode, which no program can set; 0 if unknown.
    Column("ctime_ns", Number, nullable=False, server_default="0"),
    # Of a second file of the picture, as the RAW beside a JPEG; "": the file is the image's own.
    Column("sha256", String(64), nullable=False, server_default=""),
)

origins = Table(
    "origins",
    metadata,
    # A folder or manifest, what it last said about the file, and the file's identity then.
    Column("source", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("uri", Text, primary_key=True),
    Column("inode", Number, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    ForeignKeyConstraint(["path", "uri"], ["locations.path", "locations.uri"], ondelete="CASCADE"),
    Index("origins_by_place", "path", "uri"),
)

dismissed = Table(
    "dismissed",
    metadata,
    # Files whose image a user deleted, which a sync skips.
    Column("path", Text, primary_key=True),
    Column("id", String(200), nullable=False, index=True),
    Column("mtime_ns", Number, nullable=False),
    Column("bytes", Number, nullable=False),
)

remembered = Table(
    "remembered",
    metadata,
    # Users' changes to the tags and metadata of images that a sync deleted, and what the sources
    # said then. They are restored when the same bytes return.
    Column("id", String(200), primary_key=True),
    Column("tags", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("said_tags", JSON, nullable=False),
    Column("said_metadata", JSON, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
)

trash = Table(
    "trash",
    metadata,
    # Images that a user deleted, with all that the catalogue had of each.
    Column("id", String(200), primary_key=True),
    Column("deleted_at", String(40), nullable=False, index=True),
    Column("record", JSON, nullable=False),
)

removed_files = Table(
    "removed_files",
    metadata,
    # Stored files that no image has, see `removed_files.py`; since: when that began, in seconds
    # since 1970.
    Column("name", String(200), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("since", Float, nullable=False),
)

unusable_files = Table(
    "unusable_files",
    metadata,
    # Files whose pictures can't be read; reader: the versions and limits that can't read them.
    Column("path", Text, primary_key=True),
    Column("mtime_ns", Number, nullable=False),
    Column("bytes", Number, nullable=False),
    Column("inode", Number, nullable=False),
    Column("ctime_ns", Number, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("reader", String(64), nullable=False),
    Column("since", Float, nullable=False, index=True),
)

undos = Table(
    "undos",
    metadata,
    # What may be taken back: a change of a user, or a job, whose id is the token then.
    Column("token", String(40), primary_key=True),
    Column("created_at", String(40), nullable=False, index=True),
)

undo_steps = Table(
    "undo_steps",
    metadata,
    # An image before and after; null where it wasn't there.
    Column("token", String(40), primary_key=True),
    Column("id", String(200), primary_key=True),
    Column("former", JSON(none_as_null=True)),
    Column("later", JSON(none_as_null=True)),
)

texts = Table(
    "texts",
    metadata,
    # Words that were read in an image's picture, see `packed`; an empty list: there are none.
    Column("ordinal", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), primary_key=True),
    Column("reader", String(100), nullable=False),
    Column("words", JSON, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
)

frames = Table(
    "frames",
    metadata,
    # Key frames of a video: seconds from its beginning, and the features of each, float32. None:
    # no frame of it can be read.
    Column("ordinal", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), primary_key=True),
    Column("fingerprint", String(200), primary_key=True),
    Column("times", JSON, nullable=False),
    Column("features", LargeBinary, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("frames_by_revision", "fingerprint", "revision"),
)

judgements = Table(
    "judgements",
    metadata,
    # What a search was by (`term` or `id`), and the hit. No tag, and none is ever made of it.
    Column("kind", String(10), primary_key=True),
    Column("search", String(200), primary_key=True),
    Column("id", String(200), primary_key=True),
    Column("right", Boolean, nullable=False),
    Column("judged_at", String(40), nullable=False, index=True),
    Column("draw", JSON(none_as_null=True)),
)

picture_hashes = Table(
    "picture_hashes",
    metadata,
    # Perceptual hash in hexadecimal; empty: the picture can't be read. Null: not compared yet;
    # else the number of pairs that were looked at for it.
    Column("ordinal", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("hash", String(128), nullable=False),
    Column("compared", Integer),
)

picture_pairs = Table(
    "picture_pairs",
    metadata,
    # Pairs that may show the same picture, with the evidence; `exact`: the pixels are the same.
    Column("first", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), primary_key=True),
    Column("second", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), primary_key=True),
    Column("exact", Boolean, nullable=False),
    Column("numbers", JSON, nullable=False),
    # Without this index, each deletion of an image would scan all rows.
    Index("picture_pairs_by_second", "second"),
)

mounts = Table(
    "mounts",
    metadata,
    # Folders of a source that were mount points at its last sync.
    Column("source", Text, primary_key=True),
    Column("path", Text, primary_key=True),
)

tags = Table(
    "tags",
    metadata,
    Column("ordinal", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), primary_key=True),
    Column("key", String(800), primary_key=True),
    Column("tag", String(200), nullable=False),
    Index("tags_by_key", "key"),
)

features = Table(
    "features",
    metadata,
    Column("fingerprint", String(200), primary_key=True),
    Column("ordinal", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), primary_key=True),
    Column("shard", BigInteger, nullable=False),
    Column("row", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("features_by_revision", "fingerprint", "revision"),
    # Without this index, each deletion of an image would scan all rows.
    Index("features_by_ordinal", "ordinal"),
)


def _lease() -> tuple[Column[str], Column[float]]:
    """Columns of a lease: the worker, and the time (seconds since 1970) until which it is
    exclusive.
    """
    return Column("worker", String(100)), Column("leased_until", Float)


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("request", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("result", JSON),
    Column("created_at", String(40), nullable=False, index=True),
    Column("finished_at", String(40)),
    *_lease(),
    # Set when a user cancels the job: another worker may be running it.
    Column("cancelling", Boolean, nullable=False, server_default=false()),
)

parts = Table(
    "parts",
    metadata,
    # Parts of the files that a job ingests; `plan` distinguishes divisions of one job.
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("plan", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("task", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("error", Text),
    Column("result", JSON),
    *_lease(),
    Index("parts_by_state", "state"),
)

failures = Table(
    "failures",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("reason", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
