"""Data folder of a demo, which is never somebody's own collection."""

import fcntl
import hashlib
import shutil
from pathlib import Path
from typing import Self

from shared.core.errors import Misconfigured

_MARK = ".demo"
_PASSING = (_MARK, ".lock", "catalog.sqlite", "images/thumbnails/")
"""What a folder may gain or lose by being served."""


class Place:
    """A data folder that is new, or as a demo left it; a `with` block empties it, to be filled.

    At the block's end a mark says what is in it. A folder without a mark is the user's own, and so
    is one that has had anything added or built since.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = folder / _MARK

    @classmethod
    def beside(cls, folder: Path) -> Self:
        """`folder` where a demo may have it, else one beside it. Raises Misconfigured."""
        whole = folder.absolute()
        for tried in (folder, whole.with_name(f"{whole.name}-demo")):
            place = cls(tried)
            if place.is_free():
                return place
        raise Misconfigured(
            f"{folder} and {tried} both have collections that aren't the demo's. "
            "Name another folder: make demo DATA=folder"
        )

    @property
    def sample(self) -> Path:
        """Folder of drawn pictures: with the collection, which is served from them later."""
        return self.folder / "sample"

    def is_free(self) -> bool:
        """Return whether nothing of a user's would be lost."""
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return True
        return self._mark.is_file() and self._mark.read_text() == self._contents()

    def _contents(self) -> str:
        """Another text after anything was taken in, retagged or built; not after mere searches."""
        found = (path for path in self.folder.rglob("*") if path.is_symlink() or path.is_file())
        names = sorted(path.relative_to(self.folder).as_posix() for path in found)
        told = [name for name in names if not name.startswith(_PASSING)]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_unused()
        for path in self.folder.iterdir():
            if path.is_symlink() or not path.is_dir():
                path.unlink()
            else:
                shutil.rmtree(path)
        return self

    def __exit__(self, *_: object) -> None:
        self._mark.write_text(self._contents())

    def _check_unused(self) -> None:
        """Raises Misconfigured where an indexer, such as that of `make run`, holds the folder."""
        lock = self.folder / ".lock"
        if not lock.exists():
            return
        with lock.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(
                    f"{self.folder} is being served. End `make run` first, or name another "
                    "folder: make demo DATA=folder"
                ) from None
