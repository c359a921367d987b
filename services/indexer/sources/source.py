"""Sources of pictures: a folder, an archive, or a manifest; here, in a store or on the web."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from services.indexer.sources import manifest
from services.indexer.sources.allowlist import Root, check_allowed, check_path, local_roots
from services.indexer.sources.manifest_source import read_rows
from services.indexer.sources.naming import FolderTags
from services.indexer.sources.pairs import with_partners
from services.indexer.sources.resolver import Found, Resolver, archive_at
from services.indexer.sources.sidecar import in_listing, is_sidecar
from services.indexer.sources.skipping import IGNORE_FILE, LONGEST_IGNORE_FILE, Rules, Skip
from services.indexer.sources.source_file import SourceFile, Unusable, attempt, reason, stamp_of
from services.indexer.sources.source_list import Reading, Source
from services.indexer.sources.walking import Walk, bad_lines
from shared.contracts.indexer import TagsFrom
from shared.core.errors import Forbidden, InvalidInput
from shared.media.names import IMAGE_SUFFIXES
from shared.objects.address import LOCAL, WEB, Address
from shared.objects.file import File, LocalFile
from shared.objects.local_path import readable

__all__ = [
    "IMAGE_SUFFIXES",
    "Reading",
    "Source",
    "SourceFile",
    "Unusable",
    "attempt",
    "nothing_in",
    "read_source",
    "reason",
    "stamp_of",
]


def read_source(
    given: Path | str,
    tags_from: TagsFrom | None,
    roots: Sequence[Root] | None = None,
    resolver: Resolver | None = None,
    reading: Reading | None = None,
) -> Source:
    """Return the files of a source, in a stable order.

    Raises InvalidInput if the source can't be read in its supposed format, Forbidden if reading is
    not allowed, Unavailable if its store doesn't answer. A file that is not allowed has an `error`.
    """
    resolver, reading = (resolver or Resolver()).within(roots), reading or Reading()
    source = Address(LOCAL, str(given)) if isinstance(given, Path) else resolver.address(given)
    check_allowed(source, roots)
    with_tags = tags_from is not TagsFrom.NONE
    is_folder = _is_folder(source)
    if is_folder and tags_from is TagsFrom.MANIFEST:
        raise InvalidInput(f"{source} is a folder; give the manifest's file instead.")
    if not is_folder and tags_from is TagsFrom.FOLDER:
        raise InvalidInput(f"{source} is a file; tags by folder need a folder.")
    if not is_folder:
        found = read_rows(source, with_tags, roots, resolver, reading)
    elif source.is_local and archive_at(source) is None:
        found = _folder(source, with_tags, roots, reading)
    else:
        found = _listed(source, with_tags, roots, resolver, reading)
    found[:] = with_partners(found)
    return found


def nothing_in(source: Source) -> InvalidInput:
    """Return the error for a source without pictures."""
    wanted = ", ".join(sorted(IMAGE_SUFFIXES))
    looked = "the manifest names none" if source.is_manifest else f"looked for {wanted}"
    skipped = ", ".join(f"{n:,} {why.replace('_', ' ')}" for why, n in source.skipped.items())
    behind = f"; left out: {skipped}" if skipped else ""
    return InvalidInput(f"There are no pictures in {source.name} ({looked}{behind}).")


def _is_folder(source: Address) -> bool:
    """Return whether a source lists pictures, as a folder or archive does. Raises InvalidInput."""
    if source.is_local:
        path = Path(source.path)
        check_path(path)
        try:
            if path.is_dir():
                return True
            exists = path.exists()
        except OSError as error:
            raise InvalidInput(f"{source} can't be read: {reason(error)}.") from None
        if not exists:
            raise InvalidInput(
                f"{source} doesn't exist on the indexer's machine (or in its container)."
            )
        if not path.is_file():
            raise InvalidInput(f"{source} is neither a folder nor a regular file.")
    if source.suffix in manifest.SUFFIXES:
        return False
    if source.protocol in WEB:
        raise InvalidInput(
            f"{source}: by http, give a list of pictures that ends in .csv, .jsonl or .txt."
        )
    if source.is_local and archive_at(source) is None:
        raise InvalidInput(
            f"{source.name}: a manifest is a .csv, a .jsonl or a .txt file, an archive a .tar or a "
            ".zip."
        )
    return True


def _folder(
    source: Address, with_tags: bool, roots: Sequence[Root] | None, reading: Reading
) -> Source:
    found, tags = Source(source), FolderTags()

    def allowed(path: Path) -> None:
        check_allowed(path, roots)

    rules = Rules(reading.exclude)
    walk = Walk(Path(source.path), rules, reading.follow_links, allowed, reading.check)
    for path, uri, skip, error in walk:
        file = LocalFile(path, local_roots(roots))
        if skip is not None:
            found.skip(skip, file.path)
        elif error is not None:
            found.append(SourceFile(file, uri, error=error))
        else:
            _add(found, file, uri, tags if with_tags else None)
    found.notes += tags.notes()
    return found


def _listed(
    source: Address,
    with_tags: bool,
    roots: Sequence[Root] | None,
    resolver: Resolver,
    reading: Reading,
) -> Source:
    """A folder of an object store, or an archive: tagged and skipped as a local folder is."""
    found, tags, rules = Source(source), FolderTags(), Rules(reading.exclude)
    try:
        listed = resolver.list(archive_at(source) or source, reading.follow_links, reading.check)
    except OSError as error:
        raise InvalidInput(f"{source} can't be read: {reason(error)}.") from None
    found.present = {one.file.path for one in listed}
    unknown = _take_rules(found, rules, listed)
    sidecars = {one.name: one.file for one in listed if one.skip is None and is_sidecar(one.name)}
    folders: set[str] = set()
    for name, file, skip in listed:
        reading.check()
        if PurePosixPath(name).name == IGNORE_FILE:
            continue
        if why := rules.why_listed(name):
            # Count a skipped folder once, however many files it has.
            if why[0] == name or why[0] not in folders:
                found.skips[why[1]] += 1
            folders.add(why[0])
            found.leave_out(file.path)
        elif skip is not None:
            found.skip(skip, file.path)
        elif unread := next((f for f in unknown if name.startswith(f)), None):
            found.append(SourceFile(file, readable(name), error=unknown[unread]))
        else:
            try:
                check_allowed(resolver.address(file.path), roots)
            except (Forbidden, InvalidInput) as error:
                found.append(SourceFile(file, readable(name), error=error.detail))
            else:
                beside = in_listing(name, sidecars)
                _add(found, file, name, tags if with_tags else None, beside)
    found.notes += tags.notes()
    return found


def _take_rules(found: Source, rules: Rules, listed: Sequence[Found]) -> dict[str, str]:
    """Read the ignore files of a listing; return errors by path prefix, for which nothing
    is known.
    """
    unknown: dict[str, str] = {}
    for name, file, _ in listed:
        folder, _, last = name.rpartition("/")
        if last != IGNORE_FILE:
            continue
        try:
            bad = rules.add(folder, attempt(partial(file.read, LONGEST_IGNORE_FILE)))
        except Unusable as unusable:
            below = f"{folder}/" if folder else ""
            unknown[below] = f"The folder's {IGNORE_FILE} can't be read. {unusable.reason}"
        else:
            if bad:
                found.append(SourceFile(file, readable(name), error=bad_lines(bad)))
    return unknown


def _add(
    found: Source, file: File, uri: str, tags: FolderTags | None, sidecar: File | None = None
) -> None:
    if PurePosixPath(uri).suffix.lower() not in IMAGE_SUFFIXES:
        found.skip(Skip.NOT_PICTURES, file.path)
    else:
        found.append(SourceFile(file, uri, tags.of(uri) if tags else (), sidecar=sidecar))
