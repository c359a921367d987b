"""Hosts of this process: that of the settings, and on request those of other profiles beside it.

A collection goes over to another profile while the former one serves, and can be rolled back, with
one embedder and without a restart.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.embedder.config import EmbedderSettings
from services.embedder.hosting.host import Host, shared_decoders
from services.embedder.profiles import BACKBONE, Profile
from shared.core.budget import MIB, Budget
from shared.core.errors import Conflict, Corrupt, InvalidInput, ISEError, Misconfigured, NotFound
from shared.models.profiles import profile_of
from shared.snapshots.store import SnapshotStore

log = logging.getLogger(__name__)

RETRY_S = 60.0
"""Seconds before a profile that couldn't be loaded is tried again; it may be installed by then."""


@dataclass
class _Other:
    """Host of another profile. failed_at: when loading it failed, on the monotonic clock."""

    host: Host
    task: asyncio.Task[None]
    failed_at: float | None = None


class Hosts:
    """Starts the host of another profile when it is first asked for; it then stays."""

    def __init__(
        self,
        settings: EmbedderSettings,
        retry_s: float = RETRY_S,
        memory: Budget | None = None,
    ) -> None:
        """`memory`: budget that decoded pictures share with the rest of the service."""
        self._memory = memory or Budget(settings.memory * MIB, "ISE_MEMORY")
        # A profile beside the main one needs no processes of its own: their memory would double.
        self._decoders = shared_decoders(settings)
        self.main = Host(settings, self._memory, self._decoders)
        self._settings = settings
        self._retry_s = retry_s
        self._others: dict[Profile, _Other] = {}

    async def run(self, on_failure: Callable[[ISEError], None]) -> None:
        """Serve until cancelled; `on_failure` hears why where the models of the settings fail."""
        try:
            await self.main.run(on_failure)
        finally:
            running = [other.task for other in self._others.values()]
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    def host(self, profile: str | None) -> Host:
        """Return the host of a profile, None: that of the settings. Call it in the event loop.

        Raises InvalidInput where there is no such profile, and Conflict where its models couldn't
        be loaded a while ago. They may still be loading.
        """
        if not profile:
            return self.main
        if profile not in list(Profile):
            raise InvalidInput(
                f"{profile} is not a profile; use one of {', '.join(sorted(Profile))}."
            )
        wanted = Profile(profile)
        if self._is_main(wanted):
            return self.main
        if self._is_chosen:
            raise Conflict(
                "This embedder serves the model that ISE_BACKBONE or ISE_WEIGHTS names, and not "
                f"the profile {wanted} beside it. All replicas must have the same weights."
            )
        other = self._others.get(wanted)
        if other is None or self._is_due(other):
            other = self._start(wanted)
        if other.host.failure is not None:
            raise Conflict(
                f"The models of the profile {wanted} can't be loaded: {other.host.failure.detail}"
            )
        return other.host

    def must_load(self, profile: str | None) -> bool:
        """Return whether a profile's models are neither here, nor those of the collection.

        Reads a file of the data folder.
        """
        if not profile or profile not in list(Profile) or self._is_main(Profile(profile)):
            return False
        if self._is_chosen:
            return False
        return Profile(profile) not in self._others and profile != self._in_use()

    def _in_use(self) -> str | None:
        """Return the profile whose model made the index, if this machine has the index."""
        try:
            manifest = SnapshotStore(self._settings.data_dir).current()
        except (Corrupt, Misconfigured, NotFound, OSError):
            return None
        visual = None if manifest is None else manifest.visual
        return None if visual is None else profile_of(visual.fingerprint)

    def _is_due(self, other: _Other) -> bool:
        failed_at = other.failed_at
        return failed_at is not None and time.monotonic() - failed_at >= self._retry_s

    def _start(self, profile: Profile) -> _Other:
        host = Host(self._settings_of(profile), self._memory, self._decoders)

        def failed(error: ISEError) -> None:
            other.failed_at = time.monotonic()
            log.warning("the models of %s can't be loaded: %s", profile, error.detail)

        # The task begins at the next step of the loop, when `other` is there.
        other = _Other(host, asyncio.create_task(host.run(failed)))
        self._others[profile] = other
        return other

    @property
    def _is_chosen(self) -> bool:
        """Return whether the settings name a model, which then is never mixed with a profile's."""
        return bool(self._settings.backbone or self._settings.weights)

    def _is_main(self, profile: Profile) -> bool:
        settings = self._settings
        return settings.visual_backbone == BACKBONE[profile] and not settings.weights

    def _settings_of(self, profile: Profile) -> EmbedderSettings:
        """Return the settings with the profile's networks in place of those of ISE_BACKBONE."""
        return self._settings.model_copy(update={"profile": profile, "backbone": "", "weights": ""})
