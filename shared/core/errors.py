"""The error tree. It knows no HTTP; `shared/web/problem.py` is the one place that renders it.

ISEError
├── InvalidInput            what was sent can't be used
│   ├── BadImage            a picture that can't be decoded, or may not be
│   ├── BadVector           wrong length, NaN or infinite
│   └── UnknownTerm         a term that neither an image nor word2vec knows
├── NotFound                no such image, job or snapshot
├── Conflict                right in itself, but not with the present state
│   ├── FingerprintMismatch two models that must not be compared
│   └── ModelDrift          a model that doesn't answer as it did
├── Unauthorized            no key, or a wrong one
├── Forbidden               not allowed
│   ├── ForeignPage         asked by a page of another address in the user's browser
│   ├── ForeignHost         asked under a name that the service doesn't go by
│   └── LacksScope          the key is not good for this
├── TooLarge                over a size limit
├── SlowBody                the sender is too slow
├── OutsideRange            a part of a file that it doesn't have
├── Behind                  what is waited for hasn't come to this replica yet
├── Overloaded              the queue is full; try again
│   ├── ShareUsed           this caller has its share, and others wait
│   └── RateLimited         this caller asks too often
├── Unavailable             a service or model that's needed is not there
│   └── CatalogueAway       the database of the catalogue gives no answer
├── StorageFull             the disk is full
├── Corrupt                 a file is not what its manifest says
└── Misconfigured           a setting that can't work; the sentence says which
"""

import errno
from typing import Any, ClassVar


class ISEError(Exception):
    """Base of all errors of this project.

    `detail` is a sentence for a person: the error and what to do. `extra`: further members of the
    rendered problem (JSON types only).
    """

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class InvalidInput(ISEError):
    slug, title = "invalid-input", "Invalid input"


class BadImage(InvalidInput):
    slug, title = "bad-image", "Image can't be used"


class BadVector(InvalidInput):
    slug, title = "bad-vector", "Vector can't be used"


class UnknownTerm(InvalidInput):
    slug, title = "unknown-term", "Unknown term"


class NotFound(ISEError):
    slug, title = "not-found", "Not found"


class Conflict(ISEError):
    slug, title = "conflict", "Conflict"


class FingerprintMismatch(Conflict):
    slug, title = "fingerprint-mismatch", "Model and index differ"


class ModelDrift(Conflict):
    """The model's features have changed. `extra["drift"]`: cosine distance to the stored ones."""

    slug, title = "model-drift", "Model answers otherwise than before"


class Unauthorized(ISEError):
    slug, title = "unauthorized", "Key missing or wrong"


class Forbidden(ISEError):
    slug, title = "forbidden", "Not allowed"


class ForeignPage(Forbidden):
    slug, title = "foreign-page", "Asked by a page of another address"


class ForeignHost(Forbidden):
    slug, title = "foreign-host", "Asked under a name of another"


class LacksScope(Forbidden):
    """`extra["scope"]`: the one that is lacking."""

    slug, title = "lacks-scope", "Key lacks a scope"


class TooLarge(ISEError):
    slug, title = "too-large", "Too large"


class SlowBody(ISEError):
    slug, title = "slow-body", "Body arrives too slowly"


class OutsideRange(ISEError):
    """`extra["bytes"]`: how many there are."""

    slug, title = "outside-range", "Part that isn't there"


class Behind(ISEError):
    """`extra["retry_after"]`: seconds after which a new try makes sense."""

    slug, title = "behind", "Not here yet"


class Overloaded(ISEError):
    """`extra["retry_after"]`: seconds after which a new try makes sense."""

    slug, title = "overloaded", "Overloaded"


class ShareUsed(Overloaded):
    slug, title = "share-used", "Other clients wait"


class RateLimited(Overloaded):
    slug, title = "rate-limited", "Too many requests"


class Unavailable(ISEError):
    """`extra["retry_after"]`: seconds after which a new try makes sense, where known.
    `extra["checking"]`: true if all that is missing is a file's check, which goes on meanwhile.
    """

    slug, title = "unavailable", "Unavailable"


class CatalogueAway(Unavailable):
    slug, title = "catalogue-away", "Catalogue can't be reached"


class StorageFull(ISEError):
    slug, title = "storage-full", "No space left"


class Corrupt(ISEError):
    slug, title = "corrupt", "Damaged file"


class Misconfigured(ISEError):
    slug, title = "misconfigured", "Setting can't work"


def full_disk(error: OSError) -> StorageFull | None:
    """Return the error for a full disk or an exceeded quota; None for other errors."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return StorageFull("The disk is full. Nothing was lost; free some space, then try again.")


def tree() -> dict[str, type[ISEError]]:
    """Return every class of the tree above by its slug, which identifies it between services."""
    return {
        cls.slug: cls
        for cls in globals().values()
        if isinstance(cls, type) and issubclass(cls, ISEError)
    }
