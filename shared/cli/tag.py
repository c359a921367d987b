"""`ise tag`: change the tags of pictures, or rename a tag."""

from typing import Annotated

import typer
from pydantic import ValidationError

from shared.cli import tables
from shared.cli.labels import accept_labels
from shared.cli.session import AsJson, Session, session
from shared.clients import curation
from shared.contracts.curation import BulkRequest, Changed
from shared.contracts.filters import Filter
from shared.contracts.labels import LEAST
from shared.core.errors import InvalidInput, NotFound
from shared.core.validation import verdict
from shared.terms.tag_list import split_tags


def tag(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of the pictures.")
    ] = None,
    add: Annotated[
        str, typer.Option("--add", metavar="A,B", help="Comma-separated tags to add.")
    ] = "",
    remove: Annotated[
        str, typer.Option("--remove", metavar="A,B", help="Comma-separated tags to remove.")
    ] = "",
    where: Annotated[
        str | None,
        typer.Option(
            "--filter", metavar="JSON", help="All pictures that meet this filter, instead of ids."
        ),
    ] = None,
    rename: Annotated[
        str | None,
        typer.Option("--rename", metavar="TAG", help="Rename a tag to --to, or merge it with it."),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TAG", help="Its new name.")] = None,
    suggested: Annotated[
        float | None,
        typer.Option(
            "--suggested",
            metavar="P",
            min=LEAST,
            max=1,
            help="Add every label of at least this probability as a tag.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="With --suggested: only this label; repeatable."),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="With --suggested: do it; without it, only show counts."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add tags to pictures, remove some, or rename a tag; or accept labels as tags by --suggested.

    `ise undo` takes it back.
    """
    with session(as_json) as opened:
        if suggested is not None:
            if ids or add or remove or where or rename or to:
                raise InvalidInput("--suggested concerns every picture: leave out the rest.")
            accept_labels(opened, suggested, label, yes)
            return
        if label or yes:
            raise InvalidInput("Say how sure the model must be: `ise tag --suggested 0.8`.")
        if (rename is None) != (to is None):
            raise InvalidInput("Give both --rename and --to.")
        if rename is not None and to is not None:
            if ids or add or remove or where:
                raise InvalidInput("--rename concerns every picture: leave out the rest.")
            renamed = opened.indexer.send(curation.rename_tag(rename, to))
            told = f"{renamed.changed:,} pictures have the tag {to!r} now"
            already = f", {renamed.merged:,} had it already" if renamed.merged else ""
            said = f"{told}{already}.{_way_back(renamed.undo)}"
            opened.reply(renamed, tables.plain(said))
            return
        request = _request(ids, where, split_tags(add), split_tags(remove))
        _tell(opened, opened.indexer.send(curation.change_images(request)))


def _request(
    ids: list[str] | None, where: str | None, add: list[str], remove: list[str]
) -> BulkRequest:
    if not add and not remove:
        raise InvalidInput("Say what to change: --add, --remove, --rename, or --suggested.")
    if bool(ids) == (where is not None):
        raise InvalidInput("Say which pictures: their ids, or a --filter.")
    try:
        wanted = None if where is None else Filter.model_validate_json(where)
        return BulkRequest(ids=ids or None, filter=wanted, add_tags=add, remove_tags=remove)
    except ValidationError as error:
        first = error.errors()[0]
        named = ".".join(map(str, first["loc"])) or "--filter"
        raise InvalidInput(f"`{named}` {verdict(first)}.") from None


def _tell(opened: Session, done: Changed) -> None:
    said = f"{done.changed:,} pictures changed.{_way_back(done.undo)}"
    opened.reply(done, tables.plain(said))
    for one in done.failed:
        opened.say(f"{one.id}: {one.error}")
    for image_id in done.unknown:
        opened.complain(NotFound(f"There is no image {image_id!r}."))
    if done.failed or done.unknown:
        raise typer.Exit(1)


def _way_back(undo: str | None) -> str:
    return "" if undo is None else f" Undo within a day: ise undo {undo}"
