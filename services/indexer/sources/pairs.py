"""RAW files and the JPEG or HEIC that the camera wrote with them: same folder, same stem."""

from collections.abc import Sequence
from dataclasses import replace

from services.indexer.sources.source_file import SourceFile
from shared.media.names import is_developed, is_raw, stem_of


def with_partners(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Return the files, those of one picture with each other."""
    raws: dict[str, SourceFile] = {}
    developed: dict[str, SourceFile] = {}
    for file in files:
        if file.error is None:
            kind = raws if is_raw(file.uri) else developed if is_developed(file.uri) else None
            if kind is not None:
                kind.setdefault(stem_of(file.uri), file)
    both = raws.keys() & developed.keys()
    return [_with_partner(file, raws, developed) if both else file for file in files]


def _with_partner(
    file: SourceFile, raws: dict[str, SourceFile], developed: dict[str, SourceFile]
) -> SourceFile:
    stem = stem_of(file.uri)
    if file.error is not None or stem not in raws or stem not in developed:
        return file
    if is_raw(file.uri):
        partner = developed[stem]
    elif file.path == developed[stem].path:
        partner = raws[stem]
    else:
        return file
    return replace(file, partner=partner)
