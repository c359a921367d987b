"""`ise mcp`: tools for an assistant, over standard input and output."""

from importlib.util import find_spec
from typing import Annotated

import typer

from shared.cli.session import session
from shared.clients.transport import AsyncClient
from shared.core.errors import Misconfigured


def mcp(
    write: Annotated[
        bool, typer.Option("--write", help="Also let the assistant add and remove tags.")
    ] = False,
) -> None:
    """Serve the collection to an assistant by the Model Context Protocol, over stdio.

    An assistant starts this command itself: add it to its settings as `ise mcp`.
    """
    with session(as_json=False) as opened:
        if find_spec("mcp") is None:
            raise Misconfigured("`ise mcp` needs a package: pip install 'image-search-engine[mcp]'")
        # Imported here: every other command starts without it.
        from shared.assistant.server import CollectionServer

        key = opened.settings.api_key
        client = AsyncClient(
            opened.settings.url_of("query"), key.get_secret_value() if key else None
        )
        CollectionServer(client, may_write=write).run("stdio")
