"""The collection's folders: what lies below a path, with counts and a cover."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.browsing import Folder
from shared.snapshots.items import ItemsFile


def folders_below(
    files: Sequence[ItemsFile],
    superseded: Sequence[NDArray[np.int64]],
    deleted: NDArray[np.int64],
    path: str,
) -> list[tuple[Folder, int]]:
    """Return the folders right below a path by name, each with the ordinal of its newest image."""
    start = f"{path}/" if path else ""
    counts: dict[str, int] = {}
    newest: dict[str, int] = {}
    for file, old in zip(files, superseded, strict=True):
        gone = np.isin(file.ordinals, old) | np.isin(file.ordinals, deleted)
        numbers = file.folders.of_row
        for number, folder in enumerate(file.folders.names):
            if not folder or not folder.startswith(start) or folder == path:
                continue
            live = file.ordinals[(numbers == number) & ~gone]
            if not len(live):
                continue
            name = folder[len(start) :].split("/", 1)[0]
            counts[name] = counts.get(name, 0) + len(live)
            newest[name] = max(newest.get(name, -1), int(live[-1]))
    return [
        (Folder(path=start + name, name=name, count=counts[name]), newest[name])
        for name in sorted(counts, key=lambda name: (name.casefold(), name))
    ]
