"""Places in `ise search`: `--place Paris`, and a hint where a term is the name of one."""

import json
import shlex
from collections.abc import Sequence

from shared.cli import tables
from shared.cli.session import Session
from shared.clients import browsing
from shared.contracts.browsing import PlaceCount, Sort
from shared.contracts.facts import FILE
from shared.contracts.filters import Filter
from shared.core.errors import InvalidInput, ISEError


def where_of(opened: Session, names: Sequence[str]) -> list[str]:
    """Return the conditions of `--where` that hold of pictures taken in these places.

    Raises InvalidInput for a place where none was taken.
    """
    found: list[str] = []
    for name in names:
        places = opened.query.send(browsing.list_places(name=name)).places
        if not places:
            raise InvalidInput(f"No picture was taken in a place called {name!r}.")
        found.append(f"{FILE}.{places[0].kind}={json.dumps(places[0].name)}")
    return found


def offer(opened: Session, terms: Sequence[str]) -> None:
    """Say how many pictures were taken in places that are called as the terms."""
    for term in terms:
        try:
            places = opened.query.send(browsing.list_places(name=term)).places
        except ISEError:
            return  # The results are shown already; this is a hint.
        for one in places[:1]:
            opened.say(tables.plain(_offered(one)).plain)


def show(opened: Session, wanted: Filter, limit: int) -> None:
    """Show the pictures that meet conditions, those taken last first."""
    page = opened.query.send(browsing.list_images(Sort.NEWEST_TAKEN, limit, wanted=wanted))
    opened.reply(page, tables.images(page) if page.images else "Nothing was found.")
    if page.total > len(page.images):
        opened.say(f"{page.total - len(page.images):,} more: raise --limit.")


def _offered(place: PlaceCount) -> str:
    pictures = "1 picture was" if place.count == 1 else f"{place.count:,} pictures were"
    return (
        f"{pictures} taken in {place.name}; to see them: "
        f"ise search --place {shlex.quote(place.name)}"
    )
