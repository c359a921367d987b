"""Undo job: takes back what another job added and changed."""

from collections.abc import Mapping
from typing import Any

from services.indexer.curation.editor import Editor
from services.indexer.jobs.context import JobContext

UNDOING = "undoing"


class UndoJob:
    """Runs an undo; one that was broken off goes on with what is left."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Move what the job added to the trash, bring back what a sync deleted, and give what was
        changed its former state.
        """
        token = str(request["job"])
        job.stage(UNDOING)
        job.count(self._editor.steps_of(token))

        def told(done: int) -> None:
            job.advance(done)
            job.check_cancelled()

        done = self._editor.take_back(token, told)
        return {"job": token} | done.model_dump()
