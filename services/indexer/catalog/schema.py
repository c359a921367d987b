"""Tables of the catalogue.

Every change of an image takes the next number of one counter, its revision; so what changed since
a snapshot is one indexed range.
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

VERSION = 6
"""Of these tables; `migrations.py` leads to it from each one before."""

metadata = MetaData()


# In the order of their bytes in both databases, whatever the server's language is.
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


# SQLite numbers rows by itself only in a column of exactly its own INTEGER type.
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
    # One file may be known by several: as part of two sources, or uploaded under two names.
    Column("uri", Text, primary_key=True),
    Column("ordinal", _Ordinal, ForeignKey("images.ordinal", ondelete="CASCADE"), index=True),
    Column("mtime_ns", Number, nullable=False),
    Column("bytes", Number, nullable=False),
    # When the file was changed last, which no program can set; 0 where that isn't known.
    Column("ctime_ns", Number, nullable=False, server_default="0"),
)

origins = Table(
    "origins",
    metadata,
    # The folder or manifest; what it said of the file when it was last read, and which file it was.
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
    # A file whose image a user deleted: a sync leaves it out.
    Column("path", Text, primary_key=True),
    Column("id", String(200), nullable=False, index=True),
    Column("mtime_ns", Number, nullable=False),
    Column("bytes", Number, nullable=False),
)

remembered = Table(
    "remembered",
    metadata,
    # What users had made of the tags and metadata of an image that a sync deleted, beside what its
    # sources said then: when its bytes are back, so are the user's words.
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

mounts = Table(
    "mounts",
    metadata,
    # The folders of a source that were mount points when it was synced last.
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
    # Without it, each image that is deleted would be looked for in all rows.
    Index("features_by_ordinal", "ordinal"),
)


def _lease() -> tuple[Column[str], Column[float]]:
    """Columns of a lease: the worker, and the time (seconds since 1970) until which nobody else may
    take it.
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
    # A user wants it to end: the worker that runs it may be another than the one that was asked.
    Column("cancelling", Boolean, nullable=False, server_default=false()),
)

parts = Table(
    "parts",
    metadata,
    # Of the files that a job takes in; `plan` tells this division from another one of the same job.
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
