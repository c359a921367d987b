"""The statements that run for every file of an ingest.

They are built once, since SQLAlchemy takes several times longer to build one than to run it.
"""

from sqlalchemy import bindparam, delete, func, insert, select, update

from services.indexer.catalog.schema import features, images, locations, tags

KNOWN = (
    select(images.c.id)
    .join(features, features.c.ordinal == images.c.ordinal)
    .where(
        images.c.id.in_(bindparam("ids", expanding=True)),
        features.c.fingerprint.in_(bindparam("fingerprints", expanding=True)),
    )
    .group_by(images.c.id)
    .having(func.count() == bindparam("count"))
)
UNCHANGED = (
    select(images.c.id, images.c.ordinal)
    .join(locations, locations.c.ordinal == images.c.ordinal)
    .where(*(locations.c[name] == bindparam(name) for name in ("path", "uri", "mtime_ns", "bytes")))
)
IMAGE = select(images).where(images.c.id == bindparam("id"))
ADD_IMAGE = insert(images)
CHANGED = (
    update(images)
    .where(images.c.ordinal == bindparam("image"))
    .values(revision=bindparam("change"))
)
TAG_KEYS = select(tags.c.key).where(tags.c.ordinal == bindparam("image"))
ADD_TAGS = insert(tags)
ADD_FEATURES = insert(features)
FORGET_FEATURES = delete(features).where(
    features.c.fingerprint == bindparam("fingerprint"), features.c.ordinal == bindparam("ordinal")
)
AT_PATH = select(locations.c.ordinal, locations.c.uri).where(locations.c.path == bindparam("at"))
ADD_PLACE = insert(locations)
