"""Statements that are run with many rows at once."""

from sqlalchemy import bindparam, update

from services.indexer.catalog.schema import images, locations, origins

# What they set is named by the values they come with.
DESCRIBE = update(images).where(images.c.ordinal == bindparam("its_ordinal"))
MOVE = update(locations).where(locations.c.path == bindparam("its_path"))
IDENTIFY = update(origins).where(origins.c.path == bindparam("its_path"))
