"""Images that are added while an index is built by another model than they were embedded by."""

from services.indexer.embedding.client import ModelPair
from services.indexer.jobs.context import JobContext
from services.indexer.publishing.settling import PictureGate
from services.indexer.workflows.reembedding import Reembedding

# Rounds in which those that came meanwhile are few enough to be caught up with; then new ones are
# held back for a moment.
_FREE_ROUNDS = 3


class LateImages:
    """Has them embedded before the index is published, so that none drops out of search."""

    def __init__(
        self,
        missing: Reembedding,
        gate: PictureGate,
        pair: ModelPair,
        job: JobContext,
        given_up: set[str],
    ) -> None:
        """given_up: images that could not be embedded before."""
        self._missing = missing
        self._gate = gate
        self._pair = pair
        self._job = job
        self._given_up = given_up

    def settle(self, round_: int) -> None:
        """Embed those that came since."""
        self._job.check_cancelled()
        if round_ >= _FREE_ROUNDS:
            self._gate.close()
        late = self._missing.embed_late(self._pair, self._job, self._given_up)
        # One that can't be embedded now either must not be waited for.
        self._given_up |= self._missing.ids(self._pair) & late

    def is_settled(self) -> bool:
        """Return whether no image would drop out of search, but those given up.

        One that was recorded and isn't in search yet is not acknowledged: whoever adds it finds the
        model changed, and embeds it anew.
        """
        if not self._missing.ids(self._pair) - self._given_up:
            return True
        return not self._missing.in_search(self._pair) - self._given_up

    def end(self) -> None:
        """Let new pictures pass again."""
        self._gate.open()
