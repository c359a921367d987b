"""The calls of the embedder."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from shared.clients.transport import Call, Client, T, model
from shared.contracts.crop import Crop
from shared.contracts.embedder import (
    BULK_PRIORITY,
    COLORS_HEADER,
    DIM_HEADER,
    FILES_HEADER,
    FINGERPRINT_HEADER,
    INSTANCE_HEADER,
    NOTES_HEADER,
    PRIORITY_HEADER,
    RAW_MEDIA_TYPE,
    EmbedTermsRequest,
    ImageSpace,
    Models,
    TermSpace,
    TrainingEvent,
    TrainRequest,
)
from shared.contracts.explanation import Explanation
from shared.contracts.framing import framed
from shared.core.errors import ISEError
from shared.labels.head import LabelHead
from shared.media.colors import unpacked

_EVENTS: TypeAdapter[TrainingEvent] = TypeAdapter(TrainingEvent)
_NOTES: TypeAdapter[dict[int, str]] = TypeAdapter(dict[int, str])
_SLOW_S = 300.0
# A training says twice a second that it is alive.
_SILENCE_S = 60.0
# These calls don't compute anything, so a longer wait means that the service hangs.
_QUICK_S = 10.0
_RAW = {"Accept": RAW_MEDIA_TYPE}


@dataclass(frozen=True)
class Rows:
    """Features: `vectors`, float32 of shape (n, dim), and their model.

    `instance`: process that answered. `notes`: damage of files that were read nevertheless, by
    index. `colors`: shares of each file's colours, where they were asked for and told.
    """

    vectors: NDArray[np.float32]
    fingerprint: str
    instance: str = ""
    notes: Mapping[int, str] = field(default_factory=dict)
    colors: Sequence[Mapping[str, float]] | None = None


def list_models() -> Call[Models]:
    return Call("GET", "/v1/models", model(Models), timeout_s=_QUICK_S)


def label_head(fingerprint: str) -> Call[LabelHead]:
    """The classifier over named classes of a hosted model. Raises NotFound where it has none."""
    return Call(
        "GET",
        f"/v1/labels/{quote(fingerprint, safe='')}",
        lambda response: LabelHead.from_bytes(response.content),
        timeout_s=_SLOW_S,
    )


def embed_images(
    files: Sequence[bytes],
    space: ImageSpace = ImageSpace.VISUAL,
    network: str | None = None,
    bulk: bool = False,
    crops: Sequence[Crop | None] = (),
    colors: bool = False,
) -> Call[Rows]:
    """Return rows in the order of `files`. Raises BadImage whose `extra["items"]` lists the bad
    ones.

    `bulk`: searches go first, and the files go as one raw body. `crops`: the relevant box of each
    file; None: all of it. `colors`: ask for the shares of their colours, too.
    """
    boxes = ["" if crop is None else crop.text() for crop in crops]
    parts = [("files", (str(i), data, RAW_MEDIA_TYPE)) for i, data in enumerate(files)]
    headers = _RAW
    if bulk:
        headers = headers | {PRIORITY_HEADER: BULK_PRIORITY, "Content-Type": RAW_MEDIA_TYPE}
    if colors:
        headers = headers | {COLORS_HEADER: "1"}
    return Call(
        "POST",
        "/v1/embed/images",
        _rows(len(files)),
        files=None if bulk else parts,
        content=framed(files) if bulk else None,
        params={
            "space": space.value,
            "network": network,
            "crop": boxes if any(boxes) else None,
        },
        headers=headers | {FILES_HEADER: str(len(files))},
        timeout_s=_SLOW_S,
        repeatable=True,
    )


def embed_terms(
    terms: Sequence[str],
    space: TermSpace = TermSpace.JOINT,
    network: str | None = None,
    allow_unknown: bool = False,
) -> Call[Rows]:
    """Rows in the order of `terms`; with `allow_unknown`, NaN for one without a word vector."""
    body = EmbedTermsRequest(
        terms=list(terms), space=space, network=network, allow_unknown=allow_unknown
    )
    return Call(
        "POST",
        "/v1/embed/terms",
        _rows(len(body.terms)),
        json=body.model_dump(mode="json"),
        headers=_RAW,
        timeout_s=_SLOW_S,
        repeatable=True,
    )


def explain_images(
    files: Sequence[bytes],
    space: ImageSpace = ImageSpace.VISUAL,
    term: str | None = None,
    network: str | None = None,
    transform: bytes | None = None,
) -> Call[Explanation]:
    """Explain the similarity of two files, or of one file and a term in the joint space.

    `transform`: the projection of the index, as bytes.

    Raises Conflict if the network can't be split into cells.
    """
    return _explain("images", model(Explanation), files, space, term, network, transform)


def explain_overlay(
    files: Sequence[bytes],
    space: ImageSpace = ImageSpace.VISUAL,
    term: str | None = None,
    network: str | None = None,
    transform: bytes | None = None,
) -> Call[tuple[bytes, str]]:
    """The same over the first file, as a PNG; and the fingerprint."""
    return _explain("overlay", _drawn, files, space, term, network, transform)


def _drawn(response: httpx.Response) -> tuple[bytes, str]:
    return response.content, response.headers.get(FINGERPRINT_HEADER, "")


def _explain(
    form: str,
    read: Callable[[httpx.Response], T],
    files: Sequence[bytes],
    space: ImageSpace,
    term: str | None,
    network: str | None,
    transform: bytes | None,
) -> Call[T]:
    parts = [("files", (str(i), data, RAW_MEDIA_TYPE)) for i, data in enumerate(files)]
    if transform is not None:
        parts.append(("transform", ("transform", transform, RAW_MEDIA_TYPE)))
    return Call(
        "POST",
        f"/v1/explain/{form}",
        read,
        files=parts,
        params={"space": space.value, "term": term, "network": network},
        timeout_s=_SLOW_S,
        repeatable=True,
    )


def project(features: NDArray[np.float32], fingerprint: str, network: str) -> Call[Rows]:
    """Joint vectors of stored features, float32 of shape (n, dim), of the matching backbone.

    `fingerprint`: of the model that the features are of. Raises FingerprintMismatch when the
    embedder hosts another.
    """
    return Call(
        "POST",
        "/v1/matching/project",
        _rows(len(features)),
        content=np.ascontiguousarray(features, dtype="<f4").tobytes(),
        params={"network": network},
        headers={**_RAW, "Content-Type": RAW_MEDIA_TYPE, FINGERPRINT_HEADER: fingerprint},
        timeout_s=_SLOW_S,
        repeatable=True,
    )


def train(client: Client, request: TrainRequest) -> Iterator[TrainingEvent]:
    """Trains the matching network; yields progress, last TrainingDone or TrainingFailed.

    Closing the iterator ends the training.
    """
    call: Call[Any] = Call(
        "POST",
        "/v1/matching/train",
        _no_reading,
        json=request.model_dump(mode="json"),
        timeout_s=_SILENCE_S,
    )
    with client.stream(call) as response:
        for line in response.iter_lines():
            if line:
                yield _EVENTS.validate_json(line)


def _no_reading(_: httpx.Response) -> None:
    return None


def _rows(count: int) -> Callable[[httpx.Response], Rows]:
    """Read as many rows as were requested; with fewer, an image would get another's features."""

    def read(response: httpx.Response) -> Rows:
        try:
            dim = int(response.headers[DIM_HEADER])
            fingerprint = response.headers[FINGERPRINT_HEADER]
            flat = np.frombuffer(response.content, dtype="<f4")
            vectors = flat.reshape(count, dim).astype(np.float32, copy=False)
            notes = _NOTES.validate_json(response.headers.get(NOTES_HEADER, "{}"))
            colors = _colors(response.headers.get(COLORS_HEADER, ""), count)
        except (KeyError, ValueError) as error:
            raise ISEError(f"The embedder's answer can't be read: {error}") from error
        instance = response.headers.get(INSTANCE_HEADER, "")
        return Rows(vectors, fingerprint, instance, notes, colors)

    return read


def _colors(text: str, count: int) -> list[dict[str, float]] | None:
    """Return the colours of each file; None: not told. Raises ValueError."""
    found = unpacked(base64.b64decode(text, validate=True))
    return found if found and len(found) == count else None
