"""The body of a call, which may break a limit while it is read."""

import asyncio
from types import SimpleNamespace

import pytest
from fastapi import Request
from starlette.exceptions import HTTPException

from services.embedder.api.uploads import uploads
from services.embedder.config import EmbedderSettings
from shared.core.errors import InvalidInput


def taken(status):
    """What becomes of a body whose reading ends in that status."""

    async def receive():
        raise HTTPException(status, "Why.")

    state = SimpleNamespace(settings=EmbedderSettings())
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    scope = {"type": "http", "method": "POST", "headers": headers}
    scope["app"] = SimpleNamespace(state=state)
    return asyncio.run(uploads(Request(scope, receive)))


def test_a_body_over_the_limit_is_told_as_such():
    with pytest.raises(HTTPException) as refused:
        taken(413)
    assert refused.value.status_code == 413


def test_a_body_that_is_malformed_is_invalid_input():
    with pytest.raises(InvalidInput, match="can't be read: Why"):
        taken(400)
