"""`ise import-features`, `ise export` and `ise import`: vectors and whole collections, as files."""

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from shared import durable
from shared.cli import tables
from shared.cli.collection import Clusters, cluster_count, source_of
from shared.cli.jobs import run_job
from shared.cli.session import AsJson, Session, session
from shared.clients import indexer
from shared.contracts.features import ExportInfo, ExportSpace, ImportRequest
from shared.errors import InvalidInput, ISEError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_FILES = frozenset(
    {
        "export.json",
        "ids.txt",
        "records.jsonl",
        "tags.json",
        "catalog.csv",
        "catalog.parquet",
        "features.npy",
    }
)
_INFO = "export.json"
_DEFAULT_MODEL = "vectors"

NoBuild = Annotated[bool, typer.Option("--no-build", help="Only take them in; cluster nothing.")]


def import_features(
    features: Annotated[str, typer.Argument(help="A .npy file: one row a vector.")],
    ids: Annotated[
        str | None,
        typer.Option(
            help="The rows' ids, one a line; or JSONL with id, tags, uris and metadata. "
            "Default: the rows' numbers."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="What made the vectors; those of two are never mixed.")
    ] = _DEFAULT_MODEL,
    no_build: NoBuild = False,
    clusters: Clusters = "auto",
    as_json: AsJson = False,
) -> None:
    """Take in vectors of your own, and build the index; no embedder is needed."""
    with session(as_json) as opened:
        request = ImportRequest(
            source=source_of(features),
            ids=ids and source_of(ids),
            model=model,
            build=not no_build,
            clusters=cluster_count(clusters),
        )
        run_job(opened, indexer.import_(request))


def import_(
    folder: Annotated[str, typer.Argument(help="A folder that `ise export` wrote.")],
    no_build: NoBuild = False,
    clusters: Annotated[
        str | None,
        typer.Option("--clusters", metavar="N|auto", help="Default: as many as were exported."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take in an exported collection, and build the index."""
    with session(as_json) as opened:
        request = ImportRequest(
            source=source_of(folder),
            build=not no_build,
            clusters=None if clusters is None else cluster_count(clusters),
        )
        run_job(opened, indexer.import_(request))


def export(
    folder: Annotated[Path, typer.Argument(help="A folder that is empty or not there yet.")],
    space: Annotated[ExportSpace, typer.Option(help="Which vectors.")] = ExportSpace.VISUAL,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write catalog.parquet beside catalog.csv.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write vectors, ids, tags and the catalogue to a folder."""
    with session(as_json) as opened:
        if folder.exists() and any(folder.iterdir()):
            raise InvalidInput(f"{folder.absolute()} is not empty; name a new folder.")
        _download(opened, folder, space, parquet)
        info = ExportInfo.model_validate_json((folder / _INFO).read_bytes())
        opened.reply(info, tables.fields(info.model_dump(mode="json").items()))


def _download(opened: Session, folder: Path, space: ExportSpace, parquet: bool) -> None:
    """The archive's files, each there whole or not at all; `export.json` comes last."""
    about = b""
    with opened.indexer.stream(indexer.export(space, parquet)) as response:
        total = int(response.headers["Content-Length"])
        with _bar(opened, total) as progress:
            chunks = _counted(response.iter_bytes(2**20), progress)
            try:
                with tarfile.open(fileobj=io.BufferedReader(_Stream(chunks)), mode="r|") as archive:
                    for member in archive:
                        file = archive.extractfile(member)
                        # Names are ours or none: nothing is written beside the folder.
                        if file is None or member.name not in _FILES:
                            raise ISEError(f"The archive holds {member.name!r}, which is not ours.")
                        if member.name == _INFO:
                            about = file.read()
                            continue
                        with (
                            durable.publishing(folder / member.name) as path,
                            path.open("wb") as to,
                        ):
                            shutil.copyfileobj(file, to, 2**20)
            except tarfile.TarError as error:
                raise ISEError(f"The archive broke off: {error}. Export again.") from error
    durable.write_bytes(folder / _INFO, about)


def _bar(opened: Session, total: int) -> Progress:
    bar = Progress(
        TextColumn("downloading"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        console=opened.err,
        disable=opened.as_json or not opened.err.is_terminal,
    )
    bar.add_task("downloading", total=total)
    return bar


def _counted(chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        progress.advance(progress.task_ids[0], len(chunk))


class _Stream(io.RawIOBase):
    """Chunks as a file that can only be read on."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        self._left = self._left or memoryview(next(self._chunks, b""))
        room = memoryview(buffer)
        count = min(len(room), len(self._left))
        room[:count], self._left = self._left[:count], self._left[count:]
        return count
