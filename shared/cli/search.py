"""`ise search`: by a picture, by a term, or by an image that is indexed."""

import os
import shlex
import sys
from typing import Annotated

import typer

from shared.cli import places, tables
from shared.cli.conditions import filter_of
from shared.cli.query_args import PartReader, search_call
from shared.cli.session import AsJson, Session, session
from shared.cli.thumbnails import strips, way_of
from shared.clients import query
from shared.clients.transport import Call
from shared.contracts.answer import CutOff, Mode, SearchResponse
from shared.contracts.filters import Filter
from shared.contracts.query import MAX_LIMIT, Metric, Rerank
from shared.core.errors import InvalidInput, ISEError, UnknownTerm
from shared.terms.normal_form import normal_form
from shared.terms.number import other_numbers

# More thumbnails would not fit a screen.
_PICTURES = 30
_TAGS_NAMED = 5
# The likeliest forms come first, and each is a request.
_FORMS = 6


def search(
    image: Annotated[
        list[str] | None, typer.Option("--image", help="Search by this picture; repeatable.")
    ] = None,
    term: Annotated[
        list[str] | None, typer.Option("--term", help="Search by this tag term; repeatable.")
    ] = None,
    image_id: Annotated[
        list[str] | None,
        typer.Option("--id", help="Search by an image of the collection; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", help="Exclude images like this term; repeatable."),
    ] = None,
    exclude_image: Annotated[
        list[str] | None,
        typer.Option("--exclude-image", help="Exclude images like this picture; repeatable."),
    ] = None,
    exclude_id: Annotated[
        list[str] | None,
        typer.Option("--exclude-id", help="Exclude images like this image; repeatable."),
    ] = None,
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min-probability", help="Only hits with at least this probability to match."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_LIMIT, help="Hits to show.")] = 10,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Hits to skip.")] = 0,
    cursor: Annotated[
        str | None,
        typer.Option("--cursor", help="Cursor of the page: `next` of the previous answer."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only images with this tag; repeatable.")
    ] = None,
    place: Annotated[
        list[str] | None,
        typer.Option(
            "--place",
            help="Only images taken in this town or country; alone, it lists them by date.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="Only images whose metadata meet this condition: 'year>=1999'; quoted "
            "values are text: 'post=\"0123\"'; repeatable.",
        ),
    ] = None,
    filter_json: Annotated[
        str | None, typer.Option("--filter", help="Only images that meet this filter, as JSON.")
    ] = None,
    metric: Annotated[
        Metric | None,
        typer.Option("--metric", help="Distance. Default: the one that the index was built for."),
    ] = None,
    rerank: Annotated[
        Rerank | None, typer.Option("--rerank", help="Order of the nearest candidates.")
    ] = None,
    nprobe: Annotated[
        int | None, typer.Option("--nprobe", min=1, help="Number of top clusters to scan.")
    ] = None,
    recall_target: Annotated[
        float | None,
        typer.Option("--recall-target", help="Recall to reach; scans as many clusters as needed."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Scan everything.")] = False,
    exact_term: Annotated[
        bool,
        typer.Option(
            "--exact-term",
            help="Use terms only as written, without singular, plural or similar spellings.",
        ),
    ] = False,
    guarantee: Annotated[
        float | None,
        typer.Option(
            "--guarantee", help="The shortest list that holds a match with this chance, e.g. 0.9."
        ),
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option(help="Show thumbnails if the terminal supports images.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Search by pictures, tag terms and images' ids. `--term night^0.5` counts half as much.

    A tag or an id that holds a `^`, as `m^2` does, is found as it is written. `m\\^2` never has
    a weight, also where no image carries the tag.
    """
    with session(as_json) as opened:
        if sum([nprobe is not None, recall_target is not None, exact]) > 1:
            raise InvalidInput("Give only one of --nprobe, --recall-target and --exact.")
        typed = PartReader(opened.query)
        parts = [
            *typed.read(image or [], term or [], image_id or []),
            *typed.read(exclude_image or [], exclude or [], exclude_id or [], sign=-1),
        ]
        taken = places.where_of(opened, place or [])
        wanted = filter_of(filter_json, tag or [], [*(where or []), *taken])
        if place and not parts:
            places.show(opened, Filter.model_validate(wanted), limit)
            return
        answer = _answered(
            opened,
            term or [],
            search_call(
                parts,
                limit=limit,
                offset=offset,
                cursor=cursor,
                filter=wanted,
                metric=metric.value if metric else None,
                rerank=rerank.value if rerank else None,
                nprobe=nprobe,
                recall_target=recall_target,
                exact=exact or None,
                min_probability=min_probability,
                guarantee=guarantee,
                exact_term=exact_term or None,
            ),
        )
        for one in answer.corrected_terms:
            shown = f"Showing {one.searched_as} ({one.term} isn't a tag)."
            opened.say(tables.plain(shown).plain)
        if answer.colors:
            opened.say(f"Ordered by colour: {', '.join(answer.colors)}.")
        if answer.mode is Mode.SEMANTIC and not (exact_term or as_json) and term and len(term) == 1:
            _name_tags_with(opened, term[0])
        summary = tables.search_summary(answer)
        if answer.hits:
            opened.reply(answer, tables.hits(answer), summary)
            if thumbnails and not as_json:
                _show_pictures(opened, answer)
        else:
            opened.reply(answer, "Nothing was found.", summary)
        for sentence in tables.expected_sentences(answer):
            opened.say(sentence)
        if answer.cut_off is not None and answer.cut_off.below:
            opened.say(_below(answer.cut_off))
        if not answer.complete:
            opened.say("Fewer hits were found than requested; there may be more. Try --exact.")
        if not place:
            places.offer(opened, term or [])


def _answered(opened: Session, terms: list[str], call: Call[SearchResponse]) -> SearchResponse:
    try:
        return opened.query.send(call)
    except UnknownTerm:
        # It may be the name of a place.
        places.offer(opened, terms)
        raise


def _name_tags_with(opened: Session, term: str) -> None:
    """Name the tags that hold a term which no tag equals: `Butterflies at home` for `butterfly`."""
    key = normal_form(term)
    for word in dict.fromkeys([key, *other_numbers(key)[:_FORMS]]):
        try:
            found = opened.query.send(query.list_tags("", _TAGS_NAMED, word)).tags
        except ISEError:
            return  # The results are shown already; this is a hint.
        if found:
            tags = ", ".join(shlex.quote(tag.tag) for tag in found)
            sentence = f"These come nearest to what the word means. Tags with the word: {tags}."
            opened.say(tables.plain(sentence).plain)
            return


def _show_pictures(opened: Session, answer: SearchResponse) -> None:
    way = way_of(os.environ, sys.stdout.isatty())
    if way is None:
        return
    pictures = [_picture(opened, hit.id) for hit in answer.hits[:_PICTURES]]
    if any(pictures):
        typer.echo(strips(pictures, way, opened.out.width, answer.offset + 1), nl=False)


def _picture(opened: Session, image_id: str) -> bytes | None:
    try:
        return opened.query.send(query.get_thumbnail(image_id))
    except ISEError:
        # For example a vector that was imported without a picture.
        return None


def _below(cut_off: CutOff) -> str:
    found = "" if cut_off.confident else "No match is confident: "
    hits = "1 hit lies" if cut_off.below == 1 else f"{cut_off.below:,} hits lie"
    return f"{found}{hits} below the threshold."
