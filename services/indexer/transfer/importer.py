"""Takes in vectors from files: an export of this engine, or a `.npy` of one's own.

What is there already is passed over, so an import that broke off goes on where it was.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from services.indexer.jobs.context import JobContext
from services.indexer.sources.allowlist import Root, check_allowed, check_path, local_roots
from services.indexer.transfer.npy_stream import NpyFile
from services.indexer.transfer.records import BadRecord, checked, numbered, read_ids, read_records
from services.indexer.transfer.vector_intake import Vectors
from shared.contracts.features import (
    ExportedRecord,
    ExportInfo,
    ExportSpace,
    ImportRequest,
)
from shared.core.errors import Forbidden, InvalidInput
from shared.models.external import fingerprint_of, is_fingerprint
from shared.objects.address import Address
from shared.objects.opening import open_file

_BATCH = 8192

Batch = tuple[list[ExportedRecord], NDArray[np.float32]]


@dataclass(frozen=True)
class VectorSource:
    """Vectors in an open file, and a record for each. `exported`: as an export tells of them."""

    fingerprint: str
    npy: NpyFile
    records: Iterator[ExportedRecord | BadRecord]
    exported: ExportInfo | None = None


@dataclass
class ImportResult:
    """Result of an import, by row."""

    model: str
    rows: int
    added: int = 0
    already_there: int = 0
    failed: int = 0


def open_source(
    request: ImportRequest, roots: Sequence[Root] | None, held: ExitStack
) -> VectorSource:
    """Opens the files; they close with `held`. Raises InvalidInput, Forbidden."""
    source = Path(request.source)
    check_allowed(source, roots)
    check_path(source)

    def opened(path: Path) -> BinaryIO:
        try:
            return held.enter_context(open_file(path, local_roots(roots)))
        except (OSError, ValueError) as error:
            if not isinstance(error, OSError):
                raise InvalidInput(f"{path!a} is no path.") from None
            raise InvalidInput(f"{path} can't be read: {error.strerror or error}.") from None

    def table(path: Path) -> NpyFile:
        file = opened(path)
        return NpyFile(file, os.fstat(file.fileno()).st_size, path.name)

    if source.is_dir():
        if request.ids is not None or request.model is not None:
            raise InvalidInput("`ids` and `model` go with a .npy file; an export has its own.")
        info = _info(opened(source / "export.json"))
        npy = table(source / "features.npy")
        if (npy.rows, npy.dim) != (info.images, info.dim):
            raise InvalidInput(
                f"features.npy has {npy.rows} rows of {npy.dim} numbers; export.json says "
                f"{info.images} of {info.dim}. Export again."
            )
        listed = opened(source / "records.jsonl")
        return VectorSource(
            info.fingerprint,
            npy,
            (
                record if isinstance(record, BadRecord) else _within(record, roots)
                for record in read_records(listed, "records.jsonl", ExportedRecord)
            ),
            info,
        )
    if not source.exists():
        raise InvalidInput(
            f"{source} doesn't exist on the indexer's machine (or in its container)."
        )
    if request.model is None:
        raise InvalidInput(
            f"{source} is not the folder of an export. For a .npy file, name the "
            "model of its vectors in `model`."
        )
    npy = table(source)
    ids = Path(request.ids) if request.ids is not None else None
    records = iter(numbered(npy.rows)) if ids is None else read_ids(opened(ids), ids.name)
    return VectorSource(fingerprint_of(request.model, npy.dim), npy, records)


def _refuse(record: BadRecord) -> None:
    raise record.error()


def batches(
    npy: NpyFile,
    records: Iterator[ExportedRecord | BadRecord],
    size: int = _BATCH,
    on_bad: Callable[[BadRecord], None] = _refuse,
) -> Iterator[Batch]:
    """Vectors with their records; `on_bad` hears of those that can't be taken, and left out.

    Raises InvalidInput where their numbers differ.
    """
    done = 0
    for vectors in npy.blocks(size):
        some = list(itertools.islice(records, len(vectors)))
        done += len(some)
        if len(some) < len(vectors):
            raise InvalidInput(f"There are {npy.rows} vectors, but only {done} ids.")
        for bad in some:
            if isinstance(bad, BadRecord):
                on_bad(bad)
        good = [row for row, record in enumerate(some) if not isinstance(record, BadRecord)]
        yield [record for record in some if not isinstance(record, BadRecord)], vectors[good]
    if next(records, None) is not None:
        raise InvalidInput(f"There are {npy.rows} vectors, but more ids.")


class Import:
    """One run over the rows of a source."""

    def __init__(self, vectors: Vectors, job: JobContext) -> None:
        self._vectors = vectors
        self._job = job

    def run(self, source: VectorSource) -> ImportResult:
        """Takes in what can be. Raises FingerprintMismatch, InvalidInput, Cancelled."""
        result = ImportResult(source.fingerprint, source.npy.rows)
        self._job.stage("importing")
        self._job.count(source.npy.rows)
        before = self._job.failed
        for records, vectors in batches(source.npy, source.records, on_bad=self._fail):
            self._job.check_cancelled()
            with self._vectors.lock:
                good = self._good(source.fingerprint, records, vectors)
                taken = self._vectors.take(
                    source.fingerprint, [records[row] for row in good], vectors[good]
                )
            self._job.advance(taken.added)
            self._job.advance(taken.exists, skipped=True)
            result.added += taken.added
            result.already_there += taken.exists
            result.failed = self._job.failed - before
        return result

    def _fail(self, record: BadRecord) -> None:
        self._job.fail(record.place, record.reason)

    def _good(
        self, fingerprint: str, records: list[ExportedRecord], vectors: NDArray[np.float32]
    ) -> list[int]:
        """The rows that can be taken; the job is told of the others."""
        bad = set()
        for row, error in self._vectors.problems(fingerprint, records, vectors):
            self._job.fail(records[row].id, error.detail)
            bad.add(row)
        good: dict[str, int] = {}
        for row, record in enumerate(records):
            if row not in bad and good.setdefault(record.id, row) != row:
                self._job.fail(record.id, "The id occurs twice; its first vector was used.")
        return list(good.values())


def _info(file: BinaryIO) -> ExportInfo:
    try:
        info = ExportInfo.model_validate_json(file.read(2**20))
    except ValidationError as error:
        raise InvalidInput(f"export.json is not one of this version: {error}") from None
    if not is_fingerprint(info.fingerprint):
        raise InvalidInput(f"export.json names {info.fingerprint!r}, which is no fingerprint.")
    if info.space is not ExportSpace.VISUAL:
        raise InvalidInput(
            f"This is an export of the {info.space} space. Only one of the visual space can be "
            "imported; bring other vectors as your own, from features.npy with a `model`."
        )
    return info


def _within(record: ExportedRecord, roots: Sequence[Root] | None) -> ExportedRecord:
    """Without the files that may not be read here; their uris stay."""
    files = []
    for file in record.files:
        try:
            check_allowed(Address.parse(file.path), roots)
        except (Forbidden, InvalidInput, OSError, ValueError):
            continue
        files.append(file)
    return checked(record).model_copy(update={"files": files})
