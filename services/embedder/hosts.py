"""Hosts of this process: that of the settings, and on request those of other profiles beside it.

A collection goes over to another profile while the former one serves, and can be rolled back, with
one embedder and without a restart.
"""

import asyncio
import logging
from collections.abc import Callable

from services.embedder.config import EmbedderSettings
from services.embedder.hosting import Host
from services.embedder.profiles import BACKBONE, Profile
from shared.core.errors import InvalidInput, ISEError

log = logging.getLogger(__name__)


class Hosts:
    """Starts the host of another profile when it is first asked for; it then stays."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self.main = Host(settings)
        self._settings = settings
        self._others: dict[Profile, tuple[Host, asyncio.Task[None]]] = {}

    async def run(self, on_failure: Callable[[ISEError], None]) -> None:
        """Serve until cancelled; `on_failure` hears why where the models of the settings fail."""
        try:
            await self.main.run(on_failure)
        finally:
            running = [task for _, task in self._others.values()]
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    def host(self, profile: str | None) -> Host:
        """Return the host of a profile, None: that of the settings. Call it in the event loop.

        Raises InvalidInput where there is no such profile. Its models may still be loading.
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
        host, task = self._others.get(wanted, (None, None))
        if host is None or task is None or task.done():
            # One that failed may be installed by now.
            host = Host(self._settings_of(wanted))
            task = asyncio.create_task(host.run(_log_failure(wanted)))
            self._others[wanted] = host, task
        return host

    def _is_main(self, profile: Profile) -> bool:
        settings = self._settings
        return settings.visual_backbone == BACKBONE[profile] and not settings.weights

    def _settings_of(self, profile: Profile) -> EmbedderSettings:
        """Return the settings with the profile's networks in place of those of ISE_BACKBONE."""
        return self._settings.model_copy(update={"profile": profile, "backbone": "", "weights": ""})


def _log_failure(profile: Profile) -> Callable[[ISEError], None]:
    return lambda error: log.warning("the models of %s can't be loaded: %s", profile, error.detail)
