"""`ise tags`: the tags that images carry."""

from typing import Annotated

import typer

from shared.cli import tables
from shared.cli.session import AsJson, session
from shared.clients import query
from shared.contracts.query import MAX_LIMIT, TagOrder, Tags
from shared.contracts.tag_audit import AuditKind
from shared.core.errors import InvalidInput


def tags(
    match: Annotated[
        str,
        typer.Argument(
            metavar="[WORD]",
            help="Only tags with a word that starts with this text: `piano` finds `grand_piano`.",
        ),
    ] = "",
    prefix: Annotated[
        str, typer.Option("--prefix", help="Only tags that start with this text.")
    ] = "",
    sort: Annotated[
        TagOrder, typer.Option("--sort", help="Order: most frequent first, or alphabetical.")
    ] = TagOrder.COUNT,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Tags to show.")] = 100,
    audit: Annotated[
        AuditKind | None,
        typer.Option(
            "--audit", help="List tags that look wrong, or pictures that seem to lack a tag."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the tags with their number of images."""
    with session(as_json) as opened:
        if audit is not None:
            if prefix or match or sort is not TagOrder.COUNT:
                raise InvalidInput("--audit goes with --limit alone: leave the other options out.")
            found_by = opened.query.send(query.audit_tags(audit, min(MAX_LIMIT, limit)))
            shown = tables.audit(found_by) if found_by.found else "No tag looks suspicious."
            opened.reply(found_by, shown)
            return
        page = opened.query.send(query.list_tags(prefix, min(MAX_LIMIT, limit), match, sort))
        found = list(page.tags)
        while page.next and len(found) < limit:
            size = min(MAX_LIMIT, limit - len(found))
            page = opened.query.send(query.list_tags(prefix, size, match, sort, page.next))
            found += page.tags
        answer = Tags(tags=found, total=page.total, next=page.next)
        opened.reply(answer, tables.tags(answer) if found else "No matching tag.")
        if page.next:
            opened.say(f"{page.total - len(found):,} more: raise --limit.")
