"""Rows of features as an answer: raw float32, or JSON for people."""

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import Header, Request, Response
from numpy.typing import NDArray

from services.embedder.hosting.host import Hosted
from services.embedder.hosting.hosts import Hosts
from shared.contracts.embedder import (
    COLORS_HEADER,
    DIM_HEADER,
    FINGERPRINT_HEADER,
    INSTANCE_HEADER,
    NOTES_HEADER,
    PROFILE_HEADER,
    RAW_MEDIA_TYPE,
    Embeddings,
)
from shared.web.callers import caller_of
from shared.web.keys import Scope
from shared.web.scoped import lacking

Floats = NDArray[np.float32]

_HEADER_CHARACTERS = 3000
RAW_BODY = {"schema": {"type": "string", "format": "binary"}}
ROWS_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": f"The rows in order: with `Accept: {RAW_MEDIA_TYPE}` little-endian float32, "
        f"row-major, `{DIM_HEADER}` values a row; else JSON. `{FINGERPRINT_HEADER}` says of which "
        "model they are; rows of different fingerprints must not be compared.",
        "model": Embeddings,
        "content": {RAW_MEDIA_TYPE: RAW_BODY},
    },
}


async def hosted(
    request: Request,
    profile: Annotated[
        str | None,
        Header(
            alias=PROFILE_HEADER,
            description="Use the models of this profile (`lite`, `mini`, `classic`), which are "
            "loaded at the first request; that takes a key with `write`, unless the collection "
            "has this profile's model. Default: those of the settings.",
        ),
    ] = None,
) -> Hosted:
    """The models, as a dependency. Raises Unavailable while they are being loaded, Conflict where
    a profile's can't be, and LacksScope where the caller may not have them loaded."""
    hosts: Hosts = request.app.state.hosts
    may_load = Scope.WRITE in caller_of(request.scope).scopes
    if profile and not may_load and await asyncio.to_thread(hosts.must_load, profile):
        raise lacking(Scope.WRITE)
    return hosts.host(profile).hosted()


def instance_of(request: Request) -> str:
    """Return the name of the process and the host that answer a request."""
    hosts: Hosts = request.app.state.hosts
    return hosts.host(request.headers.get(PROFILE_HEADER)).instance


def rows(
    request: Request,
    vectors: Floats | Sequence[Floats | None],
    dim: int,
    fingerprint: str,
    timings: Mapping[str, float] | None = None,
    notes: Mapping[int, str] | None = None,
    colors: bytes | None = None,
) -> Response:
    """Encode `vectors` (n, dim) as requested by `Accept`; a missing row is NaN in raw form and null
    in JSON.

    `timings`: seconds by name of stage, for the header. `notes`: notes on damaged files, by row.
    `colors`: of all files, as `shared.media.colors` packs them.
    """
    headers = {
        FINGERPRINT_HEADER: fingerprint,
        DIM_HEADER: str(dim),
        INSTANCE_HEADER: instance_of(request),
    }
    if timings:
        stages = (f"{stage};dur={seconds * 1000:.2f}" for stage, seconds in timings.items())
        headers["Server-Timing"] = ", ".join(stages)
    if notes:
        headers[NOTES_HEADER] = _short_enough(notes)
    if colors and len(text := base64.b64encode(colors).decode()) <= _HEADER_CHARACTERS:
        headers[COLORS_HEADER] = text
    if RAW_MEDIA_TYPE in request.headers.get("accept", ""):
        missing = np.full(dim, np.nan, dtype="<f4")
        body = b"".join(
            (missing if row is None else row).astype("<f4", copy=False).tobytes() for row in vectors
        )
        return Response(body, media_type=RAW_MEDIA_TYPE, headers=headers)
    described = Embeddings(
        fingerprint=fingerprint,
        dim=dim,
        vectors=[None if row is None else row.tolist() for row in vectors],
        notes=dict(notes or {}),
    )
    return Response(described.model_dump_json(), media_type="application/json", headers=headers)


def _short_enough(notes: Mapping[int, str]) -> str:
    """Return the notes as JSON, as many as fit into a header that a proxy passes on."""
    kept = dict(notes)
    while len(text := json.dumps(kept)) > _HEADER_CHARACTERS:
        kept.popitem()
    return text
