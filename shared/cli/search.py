"""`ise search`: by a picture, by a term, or by an image that is indexed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from shared.cli import tables
from shared.cli.conditions import filter_of
from shared.cli.session import AsJson, session
from shared.clients import query
from shared.clients.transport import Call
from shared.contracts.query import MAX_LIMIT, Metric, Rerank, SearchResponse
from shared.errors import InvalidInput


def search(
    image: Annotated[Path | None, typer.Option("--image", help="Search by this picture.")] = None,
    term: Annotated[str | None, typer.Option("--term", help="Search by this tag term.")] = None,
    image_id: Annotated[
        str | None, typer.Option("--id", help="Search by an image of the collection.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_LIMIT, help="Hits to show.")] = 10,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Hits to skip.")] = 0,
    cursor: Annotated[
        str | None, typer.Option("--cursor", help="The page after that of this `next`.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only images with this tag; may be repeated.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Only images with such metadata: 'year>=1999'; repeatable."),
    ] = None,
    filter_json: Annotated[
        str | None, typer.Option("--filter", help="Only images that meet this filter, as JSON.")
    ] = None,
    metric: Annotated[
        Metric | None, typer.Option("--metric", help="Default: the one the index was built for.")
    ] = None,
    rerank: Annotated[
        Rerank | None, typer.Option("--rerank", help="What orders the nearest candidates.")
    ] = None,
    nprobe: Annotated[
        int | None, typer.Option("--nprobe", min=1, help="Number of top clusters to scan.")
    ] = None,
    recall_target: Annotated[
        float | None,
        typer.Option("--recall-target", help="Scan as many clusters as this recall needs."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Scan everything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search by a picture, a tag term, or an image's id."""
    with session(as_json) as opened:
        if sum([nprobe is not None, recall_target is not None, exact]) > 1:
            raise InvalidInput("Give one of --nprobe, --recall-target and --exact, not several.")
        answer = opened.query.send(
            _call(
                image,
                term,
                image_id,
                limit=limit,
                offset=offset,
                cursor=cursor,
                filter=filter_of(filter_json, tag or [], where or []),
                metric=metric.value if metric else None,
                rerank=rerank.value if rerank else None,
                nprobe=nprobe,
                recall_target=recall_target,
                exact=exact or None,
            )
        )
        summary = tables.search_summary(answer)
        if answer.hits:
            opened.reply(answer, tables.hits(answer), summary)
        else:
            opened.reply(answer, "Nothing was found.", summary)
        if not answer.complete:
            opened.say("There may be more hits: fewer were found than asked for. Try --exact.")


def _call(
    image: Path | None, term: str | None, image_id: str | None, **options: Any
) -> Call[SearchResponse]:
    match image, term, image_id:
        case Path(), None, None:
            return query.search_image(image.read_bytes(), image.name, **options)
        case None, str(), None:
            return query.search_term(term, **options)
        case None, None, str():
            return query.search_id(image_id, **options)
    raise InvalidInput("Give one of --image, --term and --id.")
