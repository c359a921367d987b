"""XMP files beside pictures, here, in archives and in stores: `castle.jpg.xmp`, or `castle.xmp`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from shared.core.errors import Forbidden, InvalidInput, TooLarge
from shared.media.xmp import LONGEST
from shared.objects.file import File, LocalFile, NotAFile
from shared.objects.local_path import path_of

SUFFIX = ".xmp"


def sidecar_of(file: File, listed: File | None = None) -> bytes | None:
    """Return the XMP file beside a picture, or None; one that can't be read counts as none.

    `listed`: the one that the listing of an archive or a store has. Raises Unavailable.
    """
    if isinstance(file, LocalFile):
        path = Path(path_of(file.path) or file.path)
        names = names_beside(path.name)
        return first_of(LocalFile(path.with_name(name), file.roots) for name in names)
    return first_of([] if listed is None else [listed])


def first_of(files: Iterator[File] | Sequence[File]) -> bytes | None:
    """Return the bytes of the first file that can be read, or None. Raises Unavailable."""
    for file in files:
        try:
            return file.read(LONGEST)
        except (OSError, ValueError, NotAFile, Forbidden, InvalidInput, TooLarge):
            continue
    return None


def names_beside(name: str) -> tuple[str, ...]:
    """Return the names that the XMP file of a picture may have, the more telling first."""
    stem = PurePosixPath(name).stem
    return f"{name}{SUFFIX}", f"{stem}{SUFFIX}", f"{stem}{SUFFIX.upper()}"


def in_listing(name: str, sidecars: Mapping[str, File]) -> File | None:
    """Return the XMP file of a picture among those of a listing, by their paths."""
    folder, slash, last = name.rpartition("/")
    beside = (f"{folder}{slash}{one}" for one in names_beside(last))
    return next((sidecars[one] for one in beside if one in sidecars), None)


def is_sidecar(name: str) -> bool:
    return name.casefold().endswith(SUFFIX)


def owners_of(names: Sequence[str]) -> dict[str, str]:
    """Return the picture that each XMP file among some names is of."""
    pictures = {name.casefold(): name for name in names if not is_sidecar(name)}
    stems = {PurePosixPath(folded).stem: name for folded, name in pictures.items()}
    found: dict[str, str] = {}
    for name in filter(is_sidecar, names):
        stem = name.casefold().removesuffix(SUFFIX)
        owner = pictures.get(stem) or stems.get(stem)
        if owner is not None:
            found[name] = owner
    return found
