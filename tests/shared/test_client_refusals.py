"""What the Python client and the tools for assistants say of arguments that can't be sent."""

import anyio
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from image_search import Client, InvalidInput
from shared.assistant.server import CollectionServer
from shared.clients.transport import AsyncClient

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda client: client.tag(["a"], ""), "`add_tags.0`"),
        (lambda client: client.untag(["a"]), "give `delete`"),
        (lambda client: client.update("a", tags=[""]), "`tags.0`"),
        (
            lambda client: client.ingest("/pictures", tags_form="folders"),
            "did you mean `tags_from`",
        ),
        (lambda client: client.build(clusters=-1), "`clusters`"),
        (lambda client: client.images(filter={"most": []}), "did you mean `must`"),
    ],
)
def test_the_client_raises_its_own_error_with_the_field(call, told):
    with Client(NOWHERE) as client, pytest.raises(InvalidInput) as refused:
        call(client)
    assert told.lower() in refused.value.detail.lower()


def test_an_assistant_is_told_what_is_wrong_with_a_tag():
    server = CollectionServer(AsyncClient(NOWHERE, None), may_write=True)
    with pytest.raises(ToolError, match=r"`add_tags\.0`"):
        anyio.run(server.call_tool, "tag", {"ids": ["a"], "tags": [""]})
