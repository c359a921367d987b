"""A verified file of this machine, sent from its open descriptor."""

import os
from contextlib import ExitStack
from typing import BinaryIO, Self

from services.indexer.storage.verified_files import Changed, Identity, VerifiedFiles
from shared.media import images
from shared.objects.file import LocalFile

_HEAD = 4096
"""First bytes of a file, which tell its media type."""


class Unsettled(OSError):
    """A file was written a moment ago, so its times don't tell the next write."""


class OpenedFile:
    """Open file whose bytes have a known SHA-256, `sha256`.

    No byte of another content is returned, as far as `Identity` notices writes: a piece is read,
    and then it is looked at whether the file still is as it was when it was verified. A client
    whose file is written to gets the pieces before that, and then an end before the announced
    length.
    """

    def __init__(self, content: BinaryIO, identity: Identity, sha256: str, held: ExitStack) -> None:
        self._content = content
        self._identity = identity
        self._held = held
        self.sha256 = sha256
        self.size = identity.bytes
        self.media_type = images.media_type(self.read(0, _HEAD))

    @classmethod
    def of(
        cls,
        file: LocalFile,
        verified: VerifiedFiles,
        size: int,
        seconds: float,
        waits: bool,
        caller: str,
    ) -> Self:
        """Open and verify a file of `size` bytes, for a caller. `waits`: until its times tell the
        next write.

        Raises OSError, Changed for another size, Unsettled, Forbidden, and Unavailable if it takes
        longer than so many seconds.
        """
        with ExitStack() as held:
            content = held.enter_context(file.opened())
            identity = Identity.of(content)
            if identity.bytes != size:
                raise Changed
            if identity.settles_in and not waits:
                raise Unsettled
            sha256 = verified.sha256_within(content, seconds, caller)
            return cls(content, identity, sha256, held.pop_all())
        raise AssertionError

    def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes. Raises Changed."""
        data = os.pread(self._content.fileno(), size, start)
        if Identity.of(self._content) != self._identity:
            raise Changed
        return data

    def close(self) -> None:
        """Close the descriptor."""
        self._held.close()
