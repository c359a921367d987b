"""Looking for a folder to ingest: the folders right in one, without links, within the roots."""

import os
from collections.abc import Sequence
from pathlib import Path

from services.indexer.sources.allowlist import Root, check_allowed, local_roots, resolved
from services.indexer.sources.source import IMAGE_SUFFIXES
from shared.contracts.source_folders import SourceFolder, SourceFolders
from shared.core.errors import InvalidInput, NotFound
from shared.objects.local_path import readable

_MOST_FOLDERS = 1000
_MOST_ENTRIES = 50_000


def source_folders(path: str | None, roots: Sequence[Root] | None) -> SourceFolders:
    """Return the folders in a folder; without one, those to start from.

    roots: the folders that may be looked into; None: any. Raises Forbidden, InvalidInput, NotFound.
    """
    if path is None:
        return _starts(local_roots(roots))
    folder = Path(path)
    if not folder.is_absolute():
        raise InvalidInput("`path` is not absolute. Take it from the answer of this call.")
    check_allowed(folder, roots)
    folder = resolved(folder)
    parent = folder.parent
    above = None if parent == folder or not _allowed(parent, roots) else readable(str(parent))
    return _listed(folder, above)


def _starts(roots: Sequence[Path] | None) -> SourceFolders:
    if roots is None:
        home = Path.home()
        found = [home / name for name in ("Pictures", "Photos")] + [home, Path("/")]
        starts = [one for one in dict.fromkeys(found) if one.is_dir()]
    else:
        starts = [root for root in roots if root.is_dir()]
    folders = [SourceFolder(name=_name(one), path=str(one)) for one in starts]
    return SourceFolders(path=None, parent=None, folders=folders)


def _listed(folder: Path, parent: str | None) -> SourceFolders:
    names, pictures, complete = [], 0, True
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_ENTRIES:
                    complete = False
                    break
                if entry.name.startswith("."):
                    continue
                # A link may lead anywhere; what it leads to can be reached without it.
                if entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
                elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
                    pictures += 1
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("There is no such folder.") from None
    except OSError as error:
        raise InvalidInput(f"The folder can't be read: {error.strerror}.") from None
    names = [name for name in names if readable(name) == name]
    names.sort(key=lambda name: (name.casefold(), name))
    return SourceFolders(
        path=str(folder),
        parent=parent,
        folders=[SourceFolder(name=n, path=str(folder / n)) for n in names[:_MOST_FOLDERS]],
        pictures=pictures,
        complete=complete and len(names) <= _MOST_FOLDERS,
    )


def _allowed(folder: Path, roots: Sequence[Root] | None) -> bool:
    if roots is None:
        return True
    return any(folder.is_relative_to(root.resolve()) for root in local_roots(roots) or [])


def _name(folder: Path) -> str:
    return folder.name or str(folder)
