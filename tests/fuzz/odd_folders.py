"""Odd folders, drawn by Hypothesis: what they hold, and how they change."""

import contextlib
import io
import os
import socket
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".gif": "GIF", ".BMP": "BMP"}
FORMATS |= {".tif": "TIFF", ".JPeG": "JPEG", ".jfif": "JPEG"}
SKIPPED_NAMES = ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "__MACOSX", ".hidden")
SKIPPED_NAMES += ("System Volume Information", ".Trash-1000", ".thumbnails", "._x", "@EADIR")
_ODD_NAMES = [
    *(
        "a",
        "b",
        "c d",
        "Größe",
        "日本語",
        "e\u0301",
        "\u00e9",
        "🐈",
        "אבג",
        "new\nline",
        "tab\there",
    ),
    *(" lead", "tail ", "-rf", "a\\b", "a::b", "a%20b", "%2e%2e", "it's", '"q"', "*", "?", "[x]"),
    *("x" * 240, "日" * 75, "caf\udce9", "caf\udce8", "\udcff\udcfe", "caf%E9", "~", "#", "!no"),
    *("a,b;c", "CON", "a=b&c", "<b>", "\x1b[31m", "con.tmp", "..x..", "file:", "s3:", "\u202e"),
]
_DATES = (None, None, 0, -1, 1, -(2**31), 2**31, 2**32, 4_102_444_800, 9_214_646_400, 9_223_372_037)
_DATES += (13_569_465_600, -62_135_596_800)
_MODES = (None, None, None, 0o000, 0o200, 0o444, 0o777, 0o4755)

names = st.sampled_from(_ODD_NAMES) | st.sampled_from(SKIPPED_NAMES) | st.sampled_from("abc")
suffixes = st.sampled_from([*FORMATS, *FORMATS, ".txt", "", ".mp4", ".png.part"])


@dataclass(frozen=True)
class Thing:
    """Something in a folder. `number`: which picture, or which earlier thing a link leads to."""

    folders: tuple[str, ...]
    name: str
    suffix: str
    kind: str
    number: int
    date: int | None
    mode: int | None

    @property
    def path(self) -> str:
        return "/".join((*self.folders, self.name + self.suffix))


KINDS = ["picture"] * 8 + ["broken", "cut", "empty", "text", "fifo", "socket", "hard link"]
KINDS += ["link", "link", "folder link", "dangling", "loop", "way out", "folder", "ignore file"]

things = st.builds(
    Thing,
    folders=st.lists(names, max_size=3).map(tuple),
    name=names.map(lambda name: name[:60]),
    suffix=suffixes,
    kind=st.sampled_from(KINDS),
    number=st.integers(0, 400),
    date=st.sampled_from(_DATES),
    mode=st.sampled_from(_MODES),
)
CHANGES = [
    "delete",
    "rename",
    "touch",
    "other picture",
    "becomes a folder",
    "becomes a pipe",
    "cut",
]
changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 50)), max_size=6)


@dataclass(frozen=True)
class OddFolder:
    """A folder as it is first, and what happens to it then. `packing`: as what else it is read."""

    first: list[Thing]
    changes: list[tuple[str, int]]
    later: list[Thing]
    follow_links: bool
    exclude: list[str]
    packing: int


folders = st.builds(
    OddFolder,
    first=st.lists(things, max_size=14),
    changes=changes,
    later=st.lists(things, max_size=5),
    follow_links=st.booleans(),
    exclude=st.lists(st.sampled_from(["*.gif", "b", "/a", "Größe/", "**/c d/*.png"]), max_size=2),
    packing=st.integers(0, 119),
)


@cache
def picture(number: int, kind: str = "PNG") -> bytes:
    """A small picture, another one for each number and kind."""
    blocks = np.random.default_rng(number).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(blocks).resize((40, 30), Image.Resampling.NEAREST).save(out, kind)
    return out.getvalue()


def put(root: Path, outside: Path, some: list[Thing]) -> None:
    """Makes things in a folder, where a file system lets them be."""
    for thing in some:
        # A name may be too long, taken, or below what is no folder.
        with contextlib.suppress(OSError):
            _put(root, outside, thing)


def _put(root: Path, outside: Path, thing: Thing) -> None:
    folder = root.joinpath(*thing.folders)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (thing.name + thing.suffix)
    if thing.kind == "ignore file":
        lines = ["*.webp", "!a.webp", "", "# so", "b/", "\\", "c*"][thing.number % 7 :]
        (folder / ".iseignore").write_text("\n".join(lines))
        return
    if os.path.lexists(path):
        return
    _KINDS[thing.kind](root, outside, path, thing)
    if not path.is_symlink() and path.is_file():
        if thing.mode is not None:
            path.chmod(thing.mode)
        if thing.date is not None:
            with contextlib.suppress(OverflowError):
                os.utime(path, ns=(0, thing.date * 10**9 + thing.number))


def _bytes(thing: Thing) -> bytes:
    return picture(thing.number, FORMATS.get(thing.suffix, "PNG"))


def _other(root: Path, thing: Thing, is_folder: bool) -> Path:
    there = [path for path in every_path(root) if path.is_dir() == is_folder]
    return there[thing.number % len(there)] if there else root / "nothing"


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, contextlib.suppress(OSError):
        made.bind(str(path))


def _hard_link(root: Path, path: Path, thing: Thing) -> None:
    other = _other(root, thing, is_folder=False)
    if stat.S_ISREG(other.lstat().st_mode):
        path.hardlink_to(other)


_KINDS: dict[str, Callable[[Path, Path, Path, Thing], object]] = {
    "picture": lambda root, outside, path, thing: path.write_bytes(_bytes(thing)),
    "broken": lambda root, outside, path, thing: path.write_bytes(b"no picture" * thing.number),
    "cut": lambda root, outside, path, thing: path.write_bytes(_bytes(thing)[: thing.number]),
    "empty": lambda root, outside, path, thing: path.write_bytes(b""),
    "text": lambda root, outside, path, thing: path.write_text("text"),
    "fifo": lambda root, outside, path, thing: os.mkfifo(path),
    "socket": lambda root, outside, path, thing: _socket(path),
    "hard link": lambda root, outside, path, thing: _hard_link(root, path, thing),
    "link": lambda root, outside, path, thing: path.symlink_to(_other(root, thing, False)),
    "folder link": lambda root, outside, path, thing: path.symlink_to(_other(root, thing, True)),
    "dangling": lambda root, outside, path, thing: path.symlink_to("nothing.png"),
    "loop": lambda root, outside, path, thing: path.symlink_to(path.name),
    "way out": lambda root, outside, path, thing: path.symlink_to(
        outside / ("secret.png" if thing.number % 2 else "")
    ),
    "folder": lambda root, outside, path, thing: path.mkdir(),
}


def change(root: Path, outside: Path, odd: OddFolder) -> None:
    """Has happen to a folder what happens to folders."""
    for what, number in odd.changes:
        there = [path for path in every_path(root) if not path.is_dir() or path.is_symlink()]
        if there:
            with contextlib.suppress(OSError):
                _change(there[number % len(there)], what, number)
    put(root, outside, odd.later)


def _change(path: Path, what: str, number: int) -> None:
    if what == "touch":
        os.utime(path, ns=(0, number * 10**9), follow_symlinks=False)
    elif what == "rename":
        path.rename(path.with_name(f"moved-{number}{path.suffix}"))
    else:
        data = path.read_bytes() if path.is_file() else b""
        path.unlink()
        if what == "becomes a folder":
            path.mkdir()
            (path / "within.png").write_bytes(picture(1000 + number))
        elif what == "becomes a pipe":
            os.mkfifo(path)
        elif what == "other picture":
            path.write_bytes(picture(2000 + number))
        elif what == "cut":
            path.write_bytes(data[: len(data) // 3])


def every_path(root: Path) -> list[Path]:
    """All that is in a folder; no link is followed."""
    return sorted(
        Path(folder) / name for folder, *both in os.walk(root) for some in both for name in some
    )


# --- the same as archives and manifests -------------------------------------------------------


def tar_of(root: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", errors="surrogateescape") as tar:
        for path in every_path(root):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                tar.add(path, str(path.relative_to(root)), recursive=False)
    return out.getvalue()


def zip_of(root: Path, flagged: bool) -> bytes:
    """`flagged`: names say that they are UTF-8; else they are, and don't say so."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for path in every_path(root):
            if stat.S_ISREG(path.lstat().st_mode):
                name = str(path.relative_to(root)).encode(errors="replace").decode()
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                made.writestr(info, path.read_bytes())
    data = out.getvalue()
    return data if flagged else without_flags(data)


def without_flags(data: bytes) -> bytes:
    changed = bytearray(data)
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        at = made.start_dir
        for info in made.infolist():
            for flags in (at + 8, info.header_offset + 6):
                changed[flags + 1] &= ~0x08 & 0xFF
            lengths = [int.from_bytes(data[at + n : at + n + 2], "little") for n in (28, 30, 32)]
            at += 46 + sum(lengths)
    return bytes(changed)


def manifest_of(root: Path, number: int) -> tuple[str, bytes]:
    """A list of what is in a folder, as one of many programs might write it."""
    paths = [str(path.relative_to(root)) for path in every_path(root)]
    delimiter = ",;\t|"[number % 4]
    end = ["\n", "\r\n", "\r"][number % 3]
    encoding = ["utf-8", "utf-8-sig", "utf-16", "cp1252"][number % 5 % 4]
    header = delimiter.join([" Path ", "TAGS", "Year"])
    rows = [
        delimiter.join([f'"{path.replace(chr(34), chr(34) * 2)}"', "odd", str(number)])
        for path in paths
    ]
    rows.insert(len(rows) // 2, ["", '"open', delimiter * 9 + "x", ""][number % 4])
    lines = [*([f"sep={delimiter}"] if number % 2 else []), header, *rows, ""]
    return "odd.csv", end.join(lines).encode(encoding, errors="replace")
