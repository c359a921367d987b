"""The embedder as a web application: the composition root."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.embedder.api import embed, explain, labels, matching
from services.embedder.backbones.lite_backbone import weights_file
from services.embedder.config import EmbedderSettings
from services.embedder.hosting.hosts import Hosts
from services.embedder.metrics import EmbedderMetrics
from services.embedder.profiles import profile_of
from shared.core.budget import MIB, Budget
from shared.core.errors import ISEError
from shared.web.admission import PICTURES
from shared.web.patience import PatienceMiddleware
from shared.web.places import Places
from shared.web.running import give_up
from shared.web.service import create_service

DESCRIPTION = """\
Features of images and terms.

It hosts the networks: one for image -> image, one for tag -> image (by default the same), word2vec
for terms, and the matching networks that bring images and terms into one joint space. It keeps no
state. Rows of features travel as raw little-endian float32; ask for JSON to read them yourself.
"""


def create_app(
    settings: EmbedderSettings, on_failure: Callable[[FastAPI, ISEError], None] = give_up
) -> FastAPI:
    """The app. `on_failure` is called where the models can't be loaded, and `/ready` says why."""
    if settings.profile is None:
        chosen = profile_of(settings.data_dir, has_lite=weights_file() is not None)
        settings = settings.model_copy(update={"profile": chosen})
    memory = Budget(settings.memory * MIB, "ISE_MEMORY")
    hosts = Hosts(settings, memory=memory)
    host = hosts.main

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # In the background, so that `/health` answers and `/ready` explains meanwhile.
        running = asyncio.create_task(hosts.run(lambda error: on_failure(app, error)))
        yield
        running.cancel()
        await asyncio.wait([running])

    app = create_service("embedder", DESCRIPTION, settings, lifespan, host.not_ready, memory=memory)
    app.add_middleware(PatienceMiddleware)
    app.state.host = host
    app.state.hosts = hosts
    app.state.settings = settings
    places = Places(settings.queue_size, "images", most_each=settings.queue_size)
    app.state.gates.places[PICTURES] = places
    app.state.embedder_metrics = EmbedderMetrics(
        app.state.metrics.registry, host, settings.queue_size, lambda: places.refused
    )
    app.include_router(embed.router)
    app.include_router(explain.router)
    app.include_router(labels.router)
    app.include_router(matching.router)
    return app
