"""Divides the files of a job among all workers on the same catalogue."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from services.indexer.catalog.job_chunks import Part, PartTable, Standing
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.lease_fence import LeaseLost, fenced
from services.indexer.embedding.client import ModelPair
from services.indexer.ingest.result import MOST_NOTES, IngestResult
from services.indexer.jobs.context import Cancelled, JobContext
from services.indexer.jobs.leases import Leases
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import SourceFile
from shared.contracts.jobs import Progress
from shared.core.errors import CatalogueAway, Forbidden, InvalidInput, ISEError
from shared.core.request_id import set_request_id
from shared.objects.file import FarFile, File, LocalFile, Stamp
from shared.objects.local_path import path_of, text_of

log = logging.getLogger(__name__)

PART_FILES = 256
"""Large enough to be worth a shard, small enough that little is done twice when a worker dies."""
_LOOK_S = 0.5


@dataclass(frozen=True)
class Task:
    """Files to ingest. `follows`: delete an image whose last path another one takes over.

    `confined`: whoever reads them, reads in ISE_INGEST_ROOTS alone. `present_only`: add no image.
    """

    files: Sequence[SourceFile]
    visual: str
    matching: str
    source: str = ""
    follows: bool = False
    confined: bool = False
    present_only: bool = False

    @property
    def pair(self) -> ModelPair:
        return ModelPair(self.visual, self.matching)


@dataclass(frozen=True)
class _Named:
    """A file to ingest, in the form sent to other workers."""

    path: str
    is_local: bool
    listed: Stamp | None
    uri: str
    tags: list[str]
    metadata: dict[str, Any]
    error: str | None
    row: str = ""
    roots: list[str] | None = None
    """Roots of local files."""
    sidecar: str | None = None

    @classmethod
    def of(cls, file: SourceFile) -> Self:
        roots = file.file.roots if isinstance(file.file, LocalFile) else None
        return cls(
            file.path,
            file.file.is_local,
            file.listed,
            file.uri,
            list(file.tags),
            dict(file.metadata),
            file.error,
            file.row,
            None if roots is None else [text_of(str(root)) for root in roots],
            None if file.sidecar is None else file.sidecar.path,
        )

    def found(self, resolver: Resolver) -> SourceFile:
        try:
            file, error = self._file(resolver), self.error
        except Forbidden as outside:
            # A link may lead elsewhere by now; this file fails alone.
            file, error = FarFile(self.path, _unread, listed=self.listed), outside.detail
        sidecar = None
        if self.sidecar is not None:
            # One that can't be read counts as none.
            with suppress(Forbidden, InvalidInput):
                sidecar = resolver.file(resolver.address(self.sidecar))
        return SourceFile(
            file,
            self.uri,
            self.tags,
            self.metadata,
            error,
            self.row,
            sidecar,
        )

    def _file(self, resolver: Resolver) -> File:
        if self.is_local:
            roots = None if self.roots is None else [_local(root) for root in self.roots]
            return LocalFile(_local(self.path), roots)
        if self.error is not None:
            # It won't be read, and its address may be invalid or outside the roots.
            return FarFile(self.path, _unread, listed=self.listed)
        file = resolver.file(resolver.address(self.path))
        return replace(file, listed=self.listed) if isinstance(file, FarFile) else file


def _local(text: str) -> Path:
    return Path(path_of(text) or text)


def _unread(_: int) -> bytes:
    raise OSError("it is not to be taken")


_NAMED = TypeAdapter(list[_Named])
Take = Callable[[Task, JobContext], IngestResult]


class DistributedIngest:
    """Runs parts of this worker's own job or, while it has none, of another worker's."""

    def __init__(
        self,
        jobs: JobTable,
        parts: PartTable,
        leases: Leases,
        resolver: Resolver,
        confined: Resolver,
    ) -> None:
        """confined: the same resolver, for sources that were named under stricter roots."""
        self._jobs = jobs
        self._resolver = resolver
        self._confined = confined
        self._parts = parts
        self._leases = leases
        self._let_go = threading.Event()
        self._stopping = False

    def interrupt(self) -> None:
        """Has a part of another worker's job end at its next step."""
        self._stopping = True
        self._let_go.set()

    def run(self, task: Task, job: JobContext, take: Take) -> IngestResult:
        """Ingest all files of a job, by any worker. Raises Cancelled, and the errors of parts."""
        job.stage("embedding")
        job.count(len(task.files))
        plan = self._parts.plan(job.id, [_dumped(part) for part in _parted(task)])
        standing = self._parts.standing(job.id, plan)
        before = standing.done

        def report_progress() -> Standing:
            found = self._parts.standing(job.id, plan)
            job.at(found.done, found.failed, skipped=before)
            return found

        # Report even if another worker did all parts: this one hasn't reported any.
        standing = report_progress()
        while standing.error is None and standing.open:
            job.check_cancelled()
            part = self._parts.take(job.id)
            if part is not None:
                self._work_for(job, part, take, report_progress)
            elif job.cancelled.wait(_LOOK_S):
                raise Cancelled
            standing = report_progress()
        if standing.error is not None:
            raise ISEError(standing.error)
        return _sum(standing.results)

    def help(self, take: Take) -> bool:
        """Run the next part of any job; return False if there is none."""
        part = self._parts.take()
        if part is None:
            return False
        set_request_id(f"job-{part.job_id[:12]}")
        self._let_go = threading.Event()
        if self._stopping:
            self._let_go.set()
        try:
            self._work(part, take, self._let_go)
        except (Cancelled, LeaseLost):
            log.info("part %d of job %s was released", part.number, part.job_id)
        finally:
            set_request_id(None)
        return True

    def _work_for(
        self, job: JobContext, part: Part, take: Take, report_progress: Callable[[], object]
    ) -> None:
        """Does a part of the job that is this worker's."""
        try:
            self._work(part, take, job.cancelled, report_progress)
        except Cancelled:
            if self._stopping or self._jobs.is_cancelling(job.id):
                raise
            # Another worker took the part over; the job goes on.
            raise LeaseLost(job.id) from None

    def _work(
        self,
        part: Part,
        take: Take,
        let_go: threading.Event,
        report_progress: Callable[[], object] = lambda: None,
    ) -> None:
        task = self._loaded(part.task)

        def save(progress: Progress, gained: bool) -> None:
            self._parts.tell(part, progress.done, progress.failed, gained)
            report_progress()

        def fail_item(path: str, reason: str) -> None:
            self._jobs.fail_item(part.job_id, path, reason)

        context = JobContext(save, fail_item, let_go, part.job_id)
        error = None
        try:
            with (
                self._leases.holding(lambda: self._parts.renew(part), let_go),
                fenced(lambda db: self._parts.check(part, db)),
            ):
                result = take(task, context)
        except Cancelled:
            self._parts.put_back(part)
            raise
        except (LeaseLost, CatalogueAway):
            raise
        except ISEError as failure:
            error = failure.detail
        except Exception as failure:
            # An error in a part fails its job and must not end this worker.
            log.exception("part %d of job %s failed", part.number, part.job_id)
            error = f"Unexpected {type(failure).__name__}; see the log."
        if error is not None:
            self._parts.fail(part, error)
        else:
            self._parts.finish(part, len(task.files), context.failed, asdict(result))

    def _loaded(self, document: Mapping[str, Any]) -> Task:
        named = _NAMED.validate_python(document["files"])
        # The roots of a request hold on every worker, for members of archives, too.
        resolver = self._confined if document.get("confined") else self._resolver
        return Task(**{**document, "files": [one.found(resolver) for one in named]})


def _dumped(task: Task) -> dict[str, Any]:
    named = [_Named.of(file) for file in task.files]
    plain = {one.name: getattr(task, one.name) for one in fields(task)}
    return {**plain, "files": _NAMED.dump_python(named, mode="json")}


def _parted(task: Task) -> Iterator[Task]:
    for start in range(0, len(task.files), PART_FILES):
        batch = task.files[start : start + PART_FILES]
        yield replace(task, files=batch)


def _sum(results: Sequence[dict[str, Any]]) -> IngestResult:
    found = IngestResult()
    for result in results:
        for one in fields(IngestResult):
            # A part finished by an older version may lack a field.
            if one.name in result:
                setattr(found, one.name, getattr(found, one.name) + result[one.name])
    del found.file_notes[MOST_NOTES:]
    return found
