"""Undo job: takes back what another job added and changed."""

from collections.abc import Mapping
from typing import Any

from services.indexer.catalog.jobs import JobTable
from services.indexer.curation.editor import Editor
from services.indexer.jobs.context import JobContext

UNDOING = "undoing"


class UndoJob:
    """Runs an undo; one that was broken off goes on with what is left."""

    def __init__(self, editor: Editor, jobs: JobTable) -> None:
        self._editor = editor
        self._jobs = jobs

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Move what the job added to the trash, and give what it changed its former state.

        Pictures that a sync deleted don't come back; the result tells how many.
        """
        token = str(request["job"])
        job.stage(UNDOING)
        job.count(self._editor.steps_of(token))

        def told(done: int) -> None:
            job.advance(done)
            job.check_cancelled()

        done = self._editor.take_back(token, told)
        result = {"job": token} | done.model_dump()
        # Their files are gone, so there is nothing to bring back.
        if gone := (self._jobs.get(token).result or {}).get("delete"):
            result["deleted_by_sync"] = gone
        return result
