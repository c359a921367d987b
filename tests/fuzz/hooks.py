"""What Schemathesis can't know of the services: pictures, and which folders may be read.

It runs in Schemathesis' own process, which finds them by what `campaign.py` sets.
"""

import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import UseAfterFree

from tests.fuzz.campaign import PICTURES

_FOLDER = Path(os.environ[PICTURES])
_PICTURES = [path.read_bytes() for path in sorted(_FOLDER.rglob("*.jpg"))[:8]]
_SOURCES = ("/v1/ingest", "/v1/import")


def _cut(picture: bytes, part: float) -> bytes:
    return picture[: int(len(picture) * part)]


schemathesis.openapi.format(
    "binary",
    st.one_of(
        st.sampled_from(_PICTURES),
        st.builds(_cut, st.sampled_from(_PICTURES), st.floats(0, 1)),
        st.binary(max_size=2000),
    ),
)


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """The services have a key here, so that none is no longer one of two ways."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if "security" in operation:
                operation["security"] = [way for way in operation["security"] if way]


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """No folder of this machine but ours is read, whatever path was made up."""
    if context.operation.path in _SOURCES and isinstance(body, dict) and "source" in body:
        given = body["source"]
        if isinstance(given, str) and given:
            return body | {"source": str(_FOLDER if len(given) % 2 else _FOLDER / "none")}
    return body


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case, response: Any
) -> bool:
    """A form has texts alone: a number in the place of one is that text. A cancelled job has
    its report all the same. An address over 32 KiB is refused before any route sees it."""
    if response.status_code == 414:
        return False
    is_form = case.media_type == "multipart/form-data"
    is_text = isinstance(failure, AcceptedNegativeData) and "`type`" in str(failure)
    is_job = case.operation.path.startswith("/v1/jobs/")
    return not ((is_form and is_text) or (is_job and isinstance(failure, UseAfterFree)))
