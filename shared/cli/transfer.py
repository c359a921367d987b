"""`ise import-features`, `ise export` and `ise import`: vectors and whole collections, as files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from shared.cli import tables
from shared.cli.collection import Clusters, cluster_count, source_of
from shared.cli.jobs import run_job
from shared.cli.session import AsJson, Session, Verbose, session
from shared.clients import indexer
from shared.contracts.features import ExportInfo, ExportSpace, ImportRequest
from shared.core.errors import InvalidInput
from shared.files.export_archive import unpack

_CHUNK = 2**20
_DEFAULT_MODEL = "vectors"

NoBuild = Annotated[bool, typer.Option("--no-build", help="Import only; don't build the index.")]


def import_features(
    features: Annotated[str, typer.Argument(help="A .npy file with one vector per row.")],
    ids: Annotated[
        str | None,
        typer.Option(
            help="File with one id per line, or JSONL with id, tags, uris and metadata. "
            "Default: row numbers."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Name of the model that made the vectors; vectors of two models are never mixed."
        ),
    ] = _DEFAULT_MODEL,
    no_build: NoBuild = False,
    clusters: Clusters = "auto",
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Take in vectors of your own, and build the index; no embedder is needed."""
    with session(as_json, verbose) as opened:
        request = ImportRequest(
            source=source_of(features),
            ids=ids and source_of(ids),
            model=model,
            build=not no_build,
            clusters=cluster_count(clusters),
        )
        run_job(opened, indexer.import_vectors(request))


def import_(
    folder: Annotated[str, typer.Argument(help="A folder that `ise export` wrote.")],
    no_build: NoBuild = False,
    clusters: Annotated[
        str | None,
        typer.Option(
            "--clusters",
            metavar="N|auto",
            help="Number of clusters. Default: as in the exported index.",
        ),
    ] = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Take in an exported collection, and build the index."""
    with session(as_json, verbose) as opened:
        request = ImportRequest(
            source=source_of(folder),
            build=not no_build,
            clusters=None if clusters is None else cluster_count(clusters),
        )
        run_job(opened, indexer.import_vectors(request))


def export(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    space: Annotated[ExportSpace, typer.Option(help="Vectors to export.")] = ExportSpace.VISUAL,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write catalog.parquet beside catalog.csv.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write vectors, ids, tags and the catalogue to a folder."""
    with session(as_json) as opened:
        if folder.exists() and any(folder.iterdir()):
            raise InvalidInput(f"{folder.absolute()} is not empty; name a new folder.")
        opened.settings.keep_files_private()
        _download(opened, folder, space, parquet)
        info = ExportInfo.model_validate_json((folder / "export.json").read_bytes())
        opened.reply(info, tables.fields(info.model_dump(mode="json").items()))


def _download(opened: Session, folder: Path, space: ExportSpace, parquet: bool) -> None:
    with opened.indexer.stream(indexer.export_collection(space, parquet)) as response:
        total = int(response.headers["Content-Length"])
        with _bar(opened, total) as progress:
            unpack(_counted(response.iter_bytes(_CHUNK), progress), folder)


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
