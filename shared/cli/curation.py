"""`ise show`, `ise trash`, `ise undo`, `ise facts`."""

from typing import Annotated, Any

import typer

from shared.cli import tables
from shared.cli.jobs import run_job
from shared.cli.session import AsJson, session
from shared.clients import curation, indexer
from shared.contracts.curation import TrashPage
from shared.contracts.jobs import Job
from shared.contracts.query import MAX_LIMIT
from shared.core.errors import InvalidInput, NotFound


def show(
    image_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a picture.")],
    as_json: AsJson = False,
) -> None:
    """Show what is known of a picture: tags, paths, date, camera, place, metadata."""
    with session(as_json) as opened:
        image = opened.indexer.send(indexer.get_image(image_id))
        told: dict[str, Any] = {
            "id": image.id,
            "tags": image.tags,
            "paths": image.uris,
            "added": image.added_at,
            **image.file.model_dump(exclude_none=True),
        }
        told |= {"metadata": image.metadata} if image.metadata else {}
        opened.reply(image, tables.fields(told.items()))


def trash(
    restore: Annotated[
        list[str] | None,
        typer.Option("--restore", metavar="ID", help="Bring this picture back; repeatable."),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="Delete everything in the trash for good.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Pictures to list.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List deleted pictures; or bring some back, or delete all of them for good."""
    with session(as_json) as opened:
        if restore and empty:
            raise InvalidInput("Give either --restore or --empty, not both.")
        if empty:
            emptied = opened.indexer.send(curation.empty_trash())
            opened.reply(emptied, tables.plain(f"{emptied.deleted:,} deleted for good."))
            return
        if restore:
            done = opened.indexer.send(curation.restore_images(restore))
            opened.reply(done, tables.plain(f"{len(done.restored):,} restored."))
            for image_id in done.unknown:
                opened.complain(NotFound(f"There is no image {image_id!r} in the trash."))
            if done.unknown:
                raise typer.Exit(1)
            return
        page = opened.indexer.send(curation.list_trash(min(MAX_LIMIT, limit)))
        found = list(page.images)
        while page.next and len(found) < limit:
            size = min(MAX_LIMIT, limit - len(found))
            page = opened.indexer.send(curation.list_trash(size, page.next))
            found += page.images
        answer = TrashPage(images=found, total=page.total, days=page.days, next=page.next)
        opened.reply(answer, tables.trash(answer) if found else tables.plain("The trash is empty."))
        if page.next:
            opened.say(f"{page.total - len(found):,} more: raise --limit.")


def undo(
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="`undo` of a change, or the id of an ingest (`ise jobs`)."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Take a change back, or all that an ingest added and changed."""
    with session(as_json) as opened:
        try:
            job = opened.indexer.send(indexer.get_job(token))
        except NotFound:
            done = opened.indexer.send(curation.undo_change(token))
            opened.reply(done, tables.plain(_told(done.model_dump())))
        else:
            run_job(opened, curation.undo_job(job.id), shown=_undone)


def facts(
    again: Annotated[
        bool, typer.Option("--again", help="Also of pictures whose facts are known.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read dates, cameras, places and colours of pictures; embeds nothing."""
    with session(as_json) as opened:
        run_job(opened, curation.read_facts(again))


def _undone(job: Job) -> str:
    return _told(job.result or {})


def _told(counts: dict[str, Any]) -> str:
    told = {
        "changed": "have their former tags",
        "restored": "came back from the trash",
        "trashed": "went to the trash",
        "left": "stayed as they are: they are gone for good, or were added again since",
    }
    parts = [f"{counts[name]:,} {what}" for name, what in told.items() if counts.get(name)]
    return f"Of the pictures, {', '.join(parts)}." if parts else "Nothing was changed."
