"""Where pictures come from: a folder, an archive, or a manifest; here, in a store or on the web."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from services.indexer import manifest
from services.indexer.reach.reach import Reach, archive_at
from services.indexer.roots import Root, check_allowed
from services.indexer.said import parse_tags
from shared.contracts.indexer import TagsFrom
from shared.errors import InvalidInput
from shared.objects.address import LOCAL, WEB, Address
from shared.objects.file import File, LocalFile, NotAFile, Stamp

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif"}
    | {".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)
_MOST_OF_A_MANIFEST = 2**30


@dataclass(frozen=True)
class SourceFile:
    """A file to take in. `uri`: its path within the source; `error`: why it can't be taken."""

    file: File
    uri: str
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def shown(self) -> str:
        """Its uri as text that can be shown."""
        return self.uri.encode(errors="backslashreplace").decode()

    @property
    def listed(self) -> Stamp | None:
        """What a listing told of it."""
        return self.file.listed


class Unusable(Exception):
    """Why a file can't be taken in, in a sentence."""

    def __init__(self, reason: str, is_gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_gone = is_gone


def stamp_of(file: SourceFile) -> Stamp | None:
    """What is known of a file before it's read. Raises Unusable."""
    if file.error is not None:
        raise Unusable(file.error)
    try:
        file.uri.encode()
        return file.file.stamp()
    except UnicodeEncodeError:
        raise Unusable("The file's name is not UTF-8 text; rename the file.") from None
    except NotAFile:
        raise Unusable("It is not a file.") from None
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise Unusable(f"The file can't be read: {reason(error)}.", is_gone) from None


class Source(list[SourceFile]):
    """The files of a source. `skipped`: how many there are beside them, not pictures by name.

    `name`: as the catalogue knows it. `below`: how the paths of all that is in it begin, where it
    is a folder that governs them. `present`: every path in it, where it was listed elsewhere.
    """

    def __init__(self, address: Address, is_manifest: bool = False) -> None:
        super().__init__()
        self.name = str(address)
        self.is_manifest = is_manifest
        is_folder = not is_manifest and archive_at(address) is None and address.archive is None
        self.below = f"{self.name.rstrip('/')}/" if is_folder else None
        self.present: Collection[str] | None = None
        self.skipped = 0

    @property
    def is_local(self) -> bool:
        """Whether all its files are on this machine's disk."""
        return all(file.file.is_local for file in self)

    def governs(self, path: str) -> bool:
        """Whether what is at a path is in the folder or archive that this is."""
        if self.below is not None:
            return path.startswith(self.below)
        return not self.is_manifest and path.endswith(f"::{self.name}")


def read_source(
    given: Path | str,
    tags_from: TagsFrom | None,
    roots: Sequence[Root] | None = None,
    reach: Reach | None = None,
) -> Source:
    """The files of a source, in a stable order.

    Raises InvalidInput when the source can't be read as what it is said to be, Forbidden when it
    or a file that it names may not be read, Unavailable when what it is in doesn't answer.
    """
    reach = (reach or Reach()).within(roots)
    source = Address(LOCAL, str(given)) if isinstance(given, Path) else reach.address(given)
    check_allowed(source, roots)
    with_tags = tags_from is not TagsFrom.NONE
    is_folder = _is_folder(source)
    if is_folder and tags_from is TagsFrom.MANIFEST:
        raise InvalidInput(f"{source} is a folder; give the manifest's file instead.")
    if not is_folder and tags_from is TagsFrom.FOLDER:
        raise InvalidInput(f"{source} is a file; tags by folder need a folder.")
    if not is_folder:
        found = _manifest(source, with_tags, roots, reach)
    elif source.is_local and archive_at(source) is None:
        found = _folder(source, with_tags, reach)
    else:
        found = _listed(source, with_tags, reach)
    if roots is not None:
        for file in found:
            check_allowed(reach.address(file.path), roots)
    return found


def nothing_in(source: Source) -> InvalidInput:
    """What to raise where a source has no pictures."""
    wanted = ", ".join(sorted(IMAGE_SUFFIXES))
    looked = "the manifest names none" if source.is_manifest else f"looked for {wanted}"
    return InvalidInput(f"There are no pictures in {source.name} ({looked}).")


def reason(error: OSError) -> str:
    return error.strerror or str(error)


def _is_folder(source: Address) -> bool:
    """Whether pictures are listed in it, as in a folder or archive. Raises InvalidInput."""
    if source.is_local:
        path = Path(source.path)
        if not path.exists():
            raise InvalidInput(
                f"{source} doesn't exist on the indexer's machine (in its container, where it has "
                "one)."
            )
        if path.is_dir():
            return True
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


def _folder(source: Address, with_tags: bool, reach: Reach) -> Source:
    found = Source(source)
    top = Path(source.path)
    # Links to folders are not followed, so that a loop can't catch us.
    pending = [top]
    while pending:
        folder = pending.pop(0)
        folders: list[Path] = []
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            if folder == top:
                raise InvalidInput(f"{source} can't be read: {reason(error)}.") from None
            found.append(_unreadable(top, folder, "folder", error))
            continue
        for path in children:
            if path.name.startswith("."):
                continue
            try:
                if path.is_dir():
                    folders += [] if path.is_symlink() else [path]
                elif path.is_file():
                    uri = path.relative_to(top).as_posix()
                    file = reach.file(Address(LOCAL, str(path)))
                    _add(found, file, uri, path.suffix, with_tags)
            except OSError as error:
                found.append(_unreadable(top, path, "file", error))
        pending[:0] = folders
    return found


def _unreadable(top: Path, path: Path, kind: str, error: OSError) -> SourceFile:
    uri = path.relative_to(top).as_posix()
    return SourceFile(LocalFile(path), uri, error=f"The {kind} can't be read: {reason(error)}.")


def _listed(source: Address, with_tags: bool, reach: Reach) -> Source:
    """A folder of an object store, or an archive: tagged and skipped as a local folder is."""
    found = Source(source)
    try:
        listed = reach.list(archive_at(source) or source)
    except OSError as error:
        raise InvalidInput(f"{source} can't be read: {reason(error)}.") from None
    found.present = {file.path for _, file in listed}
    for name, file in listed:
        path = PurePosixPath(name)
        if any(part.startswith(".") and part != ".." for part in path.parts):
            continue
        try:
            reach.address(file.path)
        except InvalidInput as error:
            found.append(SourceFile(file, name, error=error.detail))
        else:
            _add(found, file, name, path.suffix, with_tags)
    return found


def _add(found: Source, file: File, uri: str, suffix: str, with_tags: bool) -> None:
    if suffix.lower() not in IMAGE_SUFFIXES:
        found.skipped += 1
        return
    folder = uri.rpartition("/")[0].rpartition("/")[2]
    try:
        tags = parse_tags([folder] if folder and with_tags else [])
    except InvalidInput as error:
        found.append(SourceFile(file, uri, error=error.detail))
    else:
        found.append(SourceFile(file, uri, tags))


def _manifest(
    source: Address, with_tags: bool, roots: Sequence[Root] | None, reach: Reach
) -> Source:
    found = Source(source, is_manifest=True)
    try:
        data = reach.file(source).read(_MOST_OF_A_MANIFEST)
    except OSError as error:
        raise InvalidInput(f"{source} can't be read: {reason(error)}.") from None
    found.extend(_rows(source, data, with_tags, roots, reach))
    return found


def _rows(
    source: Address, data: bytes, with_tags: bool, roots: Sequence[Root] | None, reach: Reach
) -> Iterator[SourceFile]:
    for row in manifest.read_manifest(data, source.name):
        try:
            address = source.beside(row.path, reach.also)
            # Before it is opened: an archive is looked into.
            check_allowed(address, roots)
        except InvalidInput as error:
            raise InvalidInput(f"{source.name}, line {row.number}: {error.detail}") from None
        yield SourceFile(
            reach.file(address),
            _uri(row.path, address),
            row.tags if with_tags else (),
            row.metadata,
        )


def _uri(given: str, address: Address) -> str:
    """A path as it was given; of a URL what is behind the protocol, without a query."""
    text = address.path.partition("?")[0] if "://" in given else given
    return Path(text).as_posix().lstrip("/")
