"""`ise add` and `ise rm`: single images."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from shared.cli import tables
from shared.cli.session import AsJson, Session, session
from shared.clients import indexer
from shared.contracts.indexer import AddedItem, AddState
from shared.core.errors import NotFound
from shared.terms.tag_list import split_tags

# Limits of one call: the number of files that every indexer accepts, and what fits in memory.
_FILES_A_CALL = 100
_BYTES_A_CALL = 64 * 1024 * 1024


def add(
    files: Annotated[list[Path], typer.Argument(help="Pictures to add.")],
    tags: Annotated[
        str,
        typer.Option(
            "--tags",
            metavar="A,B",
            help="Comma-separated tags for all pictures; quote a tag that contains a comma.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Add pictures; they are searchable at once."""
    with session(as_json) as opened:
        wanted = split_tags(tags)
        items: list[AddedItem] = []
        snapshot = None

        def tell(some: list[AddedItem]) -> None:
            items.extend(some)
            _show(opened, some)

        opened.require_embedder()
        for batch in _batches(files, tell):
            added = opened.indexer.send(indexer.add_images(batch, wanted))
            snapshot = added.snapshot
            tell(added.items)
        counts = Counter(item.state for item in items)
        if as_json:
            shown = [item.model_dump(mode="json") for item in items]
            opened.write_json({"items": shown, "snapshot": snapshot})
        opened.say(
            f"{counts[AddState.ADDED]:,} added, {counts[AddState.EXISTS]:,} were there already, "
            f"{counts[AddState.FAILED]:,} failed."
        )
        if counts[AddState.FAILED]:
            raise typer.Exit(1)


def rm(
    ids: Annotated[list[str], typer.Argument(help="Ids of images to delete.")],
    as_json: AsJson = False,
) -> None:
    """Delete images; they disappear from every answer at once, and lie in the trash a while."""
    with session(as_json) as opened:
        unknown: list[str] = []
        deleted: list[str] = []
        for image_id in ids:
            try:
                opened.indexer.send(indexer.delete_image(image_id))
            except NotFound as error:
                opened.complain(error)
                unknown.append(image_id)
            else:
                deleted.append(image_id)
        if as_json:
            opened.write_json({"deleted": deleted, "unknown": unknown})
        opened.say(f"{len(deleted):,} deleted.")
        if unknown:
            raise typer.Exit(1)


def _show(opened: Session, items: Iterable[AddedItem]) -> None:
    if opened.as_json:
        return
    for item in items:
        line = f"{item.state:<6}  {item.id or '-'}  {item.name}"
        remark = item.error or item.note
        opened.out.print(tables.plain(f"{line}: {remark}" if remark else line), soft_wrap=True)


def _batches(
    files: Iterable[Path], tell: Callable[[list[AddedItem]], None]
) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the files as (name, bytes), in batches.

    `tell` is called with files that can't be read.
    """
    batch: list[tuple[str, bytes]] = []
    size = 0
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            why = f"{error.strerror or error}: {file.absolute()}"
            tell([AddedItem(name=str(file), id=None, state=AddState.FAILED, error=why)])
            continue
        if batch and (len(batch) == _FILES_A_CALL or size + len(data) > _BYTES_A_CALL):
            yield batch
            batch, size = [], 0
        batch.append((file.name, data))
        size += len(data)
    if batch:
        yield batch
