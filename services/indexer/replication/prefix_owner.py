"""Ownership marker of a mirror prefix: two collections there would overwrite each other."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

from shared.core.errors import Conflict
from shared.files import durable
from shared.objects.address import Address
from shared.objects.store import Objects

NAME = "COLLECTION"


class PrefixOwner:
    """Ownership marker of a prefix, which belongs to the first collection that uses it.

    Its random name is stored in the data folder. A backup doesn't contain it, so a restored copy is
    another collection.
    """

    def __init__(self, data_dir: Path, objects: Objects, address: Address) -> None:
        self._own = data_dir / NAME
        self._objects = objects
        self._address = address

    def check(self) -> None:
        """Claim the prefix if nobody has. Raises Conflict, Unavailable, OSError.

        If two claim it at once, the one whose name was overwritten notices at the next check.
        """
        own, at = self._name(), self._address.child(NAME)
        try:
            there = self._objects.read(at)
        except FileNotFoundError:
            self._objects.write(at, own)
            return
        if there != own:
            raise Conflict(
                f"{self._address} holds the copies of another collection, not of "
                f"{self._own.parent}. Set ISE_SNAPSHOTS_TO to a prefix of its own; or, if "
                f"this collection replaces that one, as after a restore, remove {at}."
            )

    def _name(self) -> bytes:
        with suppress(FileNotFoundError):
            return self._own.read_bytes()
        temporary = durable.temporary_of(self._own)
        try:
            temporary.write_text(uuid.uuid4().hex)
            durable.fsync_file(temporary)
            # If another worker on this folder was first, its name counts.
            with suppress(FileExistsError):
                os.link(temporary, self._own)
        finally:
            temporary.unlink(missing_ok=True)
        durable.fsync_dir(self._own.parent)
        return self._own.read_bytes()
