"""Reads word2vec and GloVe files through gensim, whichever of their formats a file has.

Pickles (`KeyedVectors.save`) are refused: loading one can run code.
"""

import gzip
import os
import re
from itertools import islice
from pathlib import Path
from typing import IO, cast

from services.embedder.hub import check_answers
from services.embedder.words.spool import binary_entries, mapped, text_entries
from services.embedder.words.table import WordTable
from shared.core.errors import Misconfigured

LARGE = 256 << 20
"""Size from which vectors are mapped instead of loaded."""
_LINE_LIMIT = 1 << 20
_PICKLES = (".kv", ".model", ".pkl", ".pickle", ".npy")


def find_file(name: str, hub_seconds: float) -> Path:
    """`name` as a file on this machine: a path, or a model of gensim's downloader.

    Raises Misconfigured where it is neither, or can't be downloaded.
    """
    path = Path(os.path.expandvars(name)).expanduser()
    if path.is_file():
        return path
    if "/" in name or path.suffix in (".bin", ".gz", ".txt", ".vec", *_PICKLES):
        raise Misconfigured(f"ISE_WORDS={name}: there is no file {path.absolute()}.")
    return _downloaded(name, hub_seconds)


def check_readable(path: Path) -> None:
    """Raises Misconfigured for a pickle, OSError where the file can't be read."""
    with _open(path) as file:
        first = file.readline(_LINE_LIMIT)
    if path.suffix in _PICKLES or first.startswith(b"\x80"):
        raise Misconfigured(_pickle(path))


def read_vectors(path: Path, folder: Path | None = None) -> WordTable:
    """Return the vectors of a word2vec file, binary or text, or of a GloVe file; plain or gzipped.

    Large ones are mapped from a file in `folder`.
    """
    try:
        with _open(path) as file:
            first, second = file.readline(_LINE_LIMIT), file.readline(_LINE_LIMIT)
        if path.suffix in _PICKLES or first.startswith(b"\x80"):
            raise Misconfigured(_pickle(path))
        header = re.fullmatch(rb"\s*(\d+)\s+(\d+)\s*", first)
        if header is None:
            return _read_glove(path, _values(first), folder)
        count, dim = int(header[1]), int(header[2])
        binary = _values(second) != dim
        if 4 * count * dim < LARGE:
            # Imported here: it takes seconds, which a start with the packaged words need not.
            from gensim.models import KeyedVectors

            keyed = KeyedVectors.load_word2vec_format(
                str(path), binary=binary, unicode_errors="replace"
            )
            # gensim may leave a gap where a word occurs twice.
            if None not in keyed.index_to_key:
                return WordTable(keyed.index_to_key, keyed.key_to_index, keyed.vectors)
        with _open(path) as file:
            file.readline()
            entries = binary_entries(file, count, dim) if binary else text_entries(file, dim, count)
            return mapped(entries, dim, folder)
    except (ValueError, EOFError, OSError, IndexError, AssertionError, MemoryError) as error:
        raise Misconfigured(
            f"ISE_WORDS={path} can't be read as word2vec or GloVe vectors ({error})."
        ) from error


def _pickle(path: Path) -> str:
    target = path.with_suffix(".bin").name
    if target == path.name:
        target = f"{path.stem}-word2vec.bin"
    return (
        f"ISE_WORDS={path} is a pickle, which can run code, and isn't loaded. Where you trust it, "
        f"convert it with gensim: KeyedVectors.load({path.name!r})"
        f".save_word2vec_format({target!r}, binary=True)."
    )


def _read_glove(path: Path, dim: int, folder: Path | None) -> WordTable:
    """GloVe's text, which has no header. gensim's reader of it takes no spaces in a word."""
    if dim == 0:
        raise ValueError("there's neither a header nor a word with its values at its start")
    with _open(path) as file:
        return mapped(text_entries(file, dim), dim, folder)


def _values(line: bytes) -> int:
    """Return the number of values after the word in a line of text; 0 for any other line."""
    try:
        return len([float(value) for value in islice(line.decode().rstrip().split(" "), 1, None)])
    except ValueError:
        return 0


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _downloaded(name: str, hub_seconds: float) -> Path:
    from gensim import downloader

    # Check the cache first: the downloader asks its server even for a cached file, without a
    # timeout.
    folder = Path(downloader.BASE_DIR, name)
    present = sorted(folder.glob(f"{name}*.gz"))
    if present:
        return present[0]
    ways_out = (
        "Set ISE_WORDS to a word2vec or GloVe file, or leave it empty for the packaged words."
    )
    try:
        check_answers(downloader.DATA_LIST_URL, hub_seconds)
        # Return the path only: otherwise `load` imports the code that came with the download.
        return Path(downloader.load(name, return_path=True))
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise Misconfigured(
            f"ISE_WORDS={name} is no file here, and can't be downloaded ({reason}). {ways_out}"
        ) from error
    except (ValueError, KeyError) as error:
        raise Misconfigured(
            f"ISE_WORDS={name} is neither a file nor a model of gensim's downloader. {ways_out}"
        ) from error
