"""XMP files beside pictures of this machine: `castle.jpg.xmp`, or `castle.xmp`."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from shared.core.errors import Forbidden, InvalidInput, TooLarge
from shared.media.xmp import LONGEST
from shared.objects.file import File, LocalFile, NotAFile
from shared.objects.local_path import path_of

SUFFIX = ".xmp"


def sidecar_of(file: File) -> bytes | None:
    """Return the XMP file beside a picture, or None; one that can't be read counts as none."""
    if not isinstance(file, LocalFile):
        return None
    path = Path(path_of(file.path) or file.path)
    for name in (f"{path.name}{SUFFIX}", f"{path.stem}{SUFFIX}", f"{path.stem}{SUFFIX.upper()}"):
        try:
            return LocalFile(path.with_name(name), file.roots).read(LONGEST)
        except (OSError, ValueError, NotAFile, Forbidden, InvalidInput, TooLarge):
            continue
    return None


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
