"""Keeps the pictures of a folder that emptied as a whole: its disk may not be mounted."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from shared.objects.local_path import path_of, readable


class FolderGuard:
    """Decides which missing pictures may be deleted without consent.

    A folder that had pictures and has none now is held back, as are missing files below a folder
    that was a mount point and isn't any more, or the other way round. The source as a whole is
    checked by `SyncGuard.check`.
    """

    def __init__(
        self,
        known: Iterable[str],
        present: Iterable[str],
        base: str | None = None,
        remounted: Collection[str] = (),
        consented: Collection[str] = (),
    ) -> None:
        """`known`, `present`: paths of files, at the last sync and now. `base`: the folder that the
        source is; by default the one that all of them lie in. `consented`: folders whose pictures
        may go."""
        folders = {folder_of(path) for path in present}
        former = {folder_of(path) for path in known}
        self.base = _common(folders | former) if base is None else base
        self._alive = {above for folder in folders for above in self.chain(folder)}
        self._remounted = frozenset(remounted)
        # Compare names as they are displayed, because nobody can type bytes that aren't UTF-8.
        self._consented = frozenset(map(readable, consented))

    def chain(self, folder: str) -> Iterator[str]:
        """Yield a folder and its parents, up to the base and without it."""
        while folder.startswith(f"{self.base}/"):
            yield folder
            folder = folder.rpartition("/")[0]

    def is_consented(self, path: str) -> bool:
        """Return whether a user consented to deleting the missing files here."""
        folders = self.chain(folder_of(path))
        return not self._consented.isdisjoint(map(readable, folders))

    def holding(self, path: str) -> str | None:
        """Return the folder for which a missing file is held back, if any.

        The outermost one, because an unmounted folder may contain others.
        """
        if self.is_consented(path):
            return None
        folders = list(self.chain(folder_of(path)))
        held = [one for one in folders if one not in self._alive or one in self._remounted]
        if not held and self.base in self._remounted:
            return self.base
        return held[-1] if held else None


def folder_of(path: str) -> str:
    """The folder that a path or URL lies in; of an archive's member, within the archive."""
    # A local file name may contain any byte but a slash.
    local = path_of(path)
    within = path.partition("::")[0] if local is None else local
    return within.rpartition("/")[0]


def mount_points(folders: Iterable[str]) -> set[str]:
    """Return those of these local folders that lie on another device than their parents."""
    devices: dict[str, int | None] = {}

    def device(folder: str) -> int | None:
        if folder not in devices:
            try:
                devices[folder] = Path(folder or "/").stat().st_dev
            except OSError:
                devices[folder] = None
        return devices[folder]

    found = set()
    for folder in folders:
        here, above = device(folder), device(folder.rpartition("/")[0])
        if None not in (here, above) and here != above:
            found.add(folder)
    return found


def why_held(folder: str, is_local: bool, was_remounted: bool) -> str:
    """Return the reason for holding a folder back, in a sentence."""
    if was_remounted:
        return "A different disk than at the last sync, or none, is mounted there."
    if is_local and not Path(folder).is_dir():
        return "The folder is not there any more."
    return "The folder has lost all of its pictures."


def _common(folders: Collection[str]) -> str:
    """The folder that all of these lie in."""
    shared: list[str] = []
    for parts in zip(*(folder.split("/") for folder in folders), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared)
