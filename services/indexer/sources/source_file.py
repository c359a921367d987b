"""A file to take in, and the one way in which whatever is wrong with it becomes a sentence."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.core.errors import BadImage, Forbidden, InvalidInput, ISEError, TooLarge
from shared.objects.file import File, NotAFile, Stamp
from shared.objects.local_path import readable

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class SourceFile:
    """A file to take in. `uri`: its path within the source; `error`: why it can't be taken.

    `row`: the manifest's row that names it, for a person to find. `sidecar`: the XMP file beside it
    that a listing has. `partner`: the JPEG that a RAW file belongs to, or the RAW file of a JPEG.
    """

    file: File
    uri: str
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    row: str = ""
    sidecar: File | None = None
    partner: "SourceFile | None" = None

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def shown(self) -> str:
        """Name of the file in a list of failures."""
        return self.row if self.error is not None and self.row else readable(self.uri)

    @property
    def listed(self) -> Stamp | None:
        """Return the stamp from a listing."""
        return self.file.listed


class Unusable(Exception):
    """Reason why a file can't be ingested, in a sentence."""

    def __init__(self, reason: str, is_gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_gone = is_gone


def attempt(do: Callable[[], T]) -> T:
    """Run an operation on one file.

    Any fault of the file is raised as Unusable, so that it never ends the work on others;
    Unavailable and similar errors are not the file's.
    """
    try:
        return do()
    except Unusable:
        raise
    except (BadImage, Forbidden, InvalidInput, TooLarge) as error:
        raise Unusable(error.detail) from None
    except ISEError:
        raise
    except NotAFile:
        raise Unusable("It is not a file.") from None
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise Unusable(f"The file can't be read: {reason(error)}.", is_gone) from None
    except Exception as error:
        # Unexpected, so the log has the details; the file is listed as failed, and the job goes on.
        log.exception("a file can't be ingested")
        raise Unusable(f"The file can't be taken: unexpected {type(error).__name__}.") from None


def stamp_of(file: SourceFile) -> Stamp | None:
    """Return the stamp of a file before it's read. Raises Unusable."""
    if file.error is not None:
        raise Unusable(file.error)
    return attempt(file.file.stamp)


def reason(error: OSError) -> str:
    return error.strerror or str(error)
