"""Rules by which files of a source are left out, in a folder, an archive and a store alike."""

import re
from collections.abc import Sequence
from enum import StrEnum

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

from shared.core.errors import InvalidInput

IGNORE_FILE = ".iseignore"
LONGEST_IGNORE_FILE = 2**18

_SYSTEM_NAMES = frozenset(
    # NAS: Synology, QNAP, Western Digital, Netgear.
    {"@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", ".@__thumb"}
    | {"@__thumb", ".@upload_cache", "@sharebin", "@sharesnap", ".wdmc", ".streams"}
    # Windows.
    | {"$recycle.bin", "recycler", "recycled", "system volume information", "$windows.~bt"}
    | {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"}
    # macOS.
    | {"__macosx", ".appledouble", ".appledb", ".appledesktop", ".ds_store", ".fseventsd"}
    | {".spotlight-v100", ".temporaryitems", ".documentrevisions-v100", ".trashes", ".apdisk"}
    | {"network trash folder", "temporary items", ".mobilebackups", "icon\r"}
    # Linux and programs that manage photos.
    | {"lost+found", ".thumbnails", ".thumbs", ".trash", ".picasaoriginals", ".dtrash", ".xvpics"}
    | {".snapshot", ".snapshots", ".zfs", ".stfolder", ".stversions", ".sync", ".dropbox.cache"}
)
_SYSTEM_PATTERN = re.compile(r"\._.*|\.trash-.*|found\.\d{3}", re.IGNORECASE | re.DOTALL)


class Skip(StrEnum):
    """Reason for skipping a file or folder."""

    SYSTEM = "system"
    HIDDEN = "hidden"
    EXCLUDED = "excluded"
    LINKS = "links"
    SPECIAL = "special_files"
    NOT_PICTURES = "not_pictures"


class Rules:
    """Rules that leave files out by name: `exclude`, patterns as in a .gitignore, and `.iseignore`
    files.
    """

    def __init__(self, exclude: Sequence[str] = ()) -> None:
        """Raises InvalidInput for a pattern that is none."""
        specs = []
        for pattern in exclude:
            spec = _spec([pattern])
            if spec is None:
                raise InvalidInput(
                    f"`exclude`: {pattern!a} is not a pattern. Write it as in a .gitignore "
                    "file: `*.gif`, `private/`, `/2019/**/raw`."
                )
            specs.append(pattern)
        self._given = _spec(specs) if specs else None
        self._of_folder: dict[str, GitIgnoreSpec] = {}
        self._folders: dict[str, Skip | None] = {"": None}

    def add(self, folder: str, data: bytes) -> list[int]:
        """Add the `.iseignore` of a folder ("" is the top), which applies to everything below it.

        Returns the numbers of invalid lines, which are ignored.
        """
        text = data.decode("utf-8-sig", "surrogateescape")
        lines = [line.rstrip("\r") for line in text.split("\n")]
        bad = [number for number, line in enumerate(lines, 1) if _spec([line]) is None]
        good = [line for number, line in enumerate(lines, 1) if number not in bad]
        spec = _spec(good)
        if spec is not None:
            self._of_folder[folder] = spec
        return bad

    def why(self, path: str, is_folder: bool) -> Skip | None:
        """Return why a path is left out, where the folder it's in is not; None: it is not."""
        folder, _, name = path.rpartition("/")
        if name.lower() in _SYSTEM_NAMES or _SYSTEM_PATTERN.fullmatch(name):
            return Skip.SYSTEM
        # `..` in an archive is an error, which is reported elsewhere.
        if name.startswith(".") and name != "..":
            return Skip.HIDDEN
        tried = f"{path}/" if is_folder else path
        verdict = self._given.check_file(tried).include if self._given else None
        # The nearest file takes precedence, as in git.
        while verdict is None and self._of_folder:
            if spec := self._of_folder.get(folder):
                start = len(folder) + 1 if folder else 0
                verdict = spec.check_file(tried[start:]).include
            if not folder:
                break
            folder = folder.rpartition("/")[0]
        return Skip.EXCLUDED if verdict else None

    def why_listed(self, path: str) -> tuple[str, Skip] | None:
        """Return the first skipped part of a file's path, and the reason; None: it isn't
        skipped.
        """
        at = path.find("/")
        while at >= 0:
            folder = path[:at]
            if folder not in self._folders:
                self._folders[folder] = self.why(folder, is_folder=True)
            if (skip := self._folders[folder]) is not None:
                return folder, skip
            at = path.find("/", at + 1)
        skip = self.why(path, is_folder=False)
        return None if skip is None else (path, skip)


def _spec(lines: Sequence[str]) -> GitIgnoreSpec | None:
    try:
        return GitIgnoreSpec.from_lines(lines)
    except (GitIgnorePatternError, re.error):
        return None
