"""Fingerprints of the models that the catalogue has features of."""

from sqlalchemy import Connection, func, select

from services.indexer.catalog.schema import features
from shared.core.errors import FingerprintMismatch
from shared.models.external import is_external


def fingerprints(db: Connection) -> list[str]:
    """Every fingerprint, ascending. Each costs one look into the index, whatever its rows."""
    found: list[str] = []
    query = select(func.min(features.c.fingerprint))
    while (least := db.execute(query).scalar()) is not None:
        found.append(least)
        query = select(func.min(features.c.fingerprint)).where(features.c.fingerprint > least)
    return found


def check_together(db: Connection, new: str) -> None:
    """Raise FingerprintMismatch if features of `new` can't be combined with the existing ones.

    Runs in the transaction that adds them, so that two calls can't both succeed.
    """
    for there in fingerprints(db):
        if there != new and (is_external(there) or is_external(new)):
            raise mismatch(there, new)


def mismatch(there: str, new: str) -> FingerprintMismatch:
    """The error for vectors that can't be compared with those of the collection."""
    return FingerprintMismatch(
        f"The collection holds vectors of {there}, and those of {new} can't be compared with them. "
        "Keep them in a collection of their own (another ISE_DATA_DIR), or delete what is there.",
        index=there,
        new=new,
    )
