"""Hosts of other profiles: who may have them loaded, and what a failed load answers."""

import asyncio
import threading

import httpx
import pytest

from services.embedder.app import create_app
from services.embedder.config import EmbedderSettings
from services.embedder.hosting import host as hosting
from services.embedder.hosting.hosts import Hosts
from services.query.embedders import Embedders
from shared.cli import reembed
from shared.clients import embedder
from shared.clients.transport import AsyncClient, Client
from shared.contracts.embedder import PROFILE_HEADER
from shared.core import problem
from shared.core.errors import Conflict, Misconfigured, Unavailable
from shared.models.profiles import FINGERPRINTS
from shared.snapshots.manifest import Manifest, SpaceManifest
from shared.snapshots.store import SnapshotStore

READ_KEY, WRITE_KEY = "r" * 24, "w" * 24


@pytest.fixture
def loads(monkeypatch):
    """Profiles that were loaded; each fails."""
    found = []

    def fail(settings, tell):
        found.append(settings.profile)
        raise Misconfigured("The weights are not installed.")

    monkeypatch.setattr(hosting, "load_models", fail)
    return found


def settings(folder, **more):
    return EmbedderSettings(_env_file=None, data_dir=folder, profile="mini", **more)


async def failed(hosts, profile="classic"):
    """The error of a profile once loading it has failed."""
    while True:
        try:
            hosts.host(profile).hosted()
        except Unavailable:
            await asyncio.sleep(0.01)
        except Conflict as error:
            return error.detail


def test_a_profile_that_can_not_be_loaded_says_why_and_is_not_tried_at_each_request(
    tmp_path, loads
):
    async def ask():
        hosts = Hosts(settings(tmp_path))
        first = await failed(hosts)
        return {first, await failed(hosts), await failed(hosts)}

    [told] = asyncio.run(asyncio.wait_for(ask(), 30))
    assert "classic" in told
    assert "The weights are not installed." in told
    assert loads == ["classic"]


def test_a_profile_that_failed_is_tried_again_after_a_pause(tmp_path, loads):
    async def ask():
        hosts = Hosts(settings(tmp_path), retry_s=0)
        for _ in range(2):
            with pytest.raises(Unavailable, match="being loaded"):
                hosts.host("classic").hosted()
            while hosts._others["classic"].failed_at is None:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(ask(), 30))
    assert loads == ["classic", "classic"]


def test_a_search_takes_a_profile_that_can_not_be_loaded_as_none(tmp_path, loads):
    app = create_app(settings(tmp_path))
    client = AsyncClient("http://localhost", transport=httpx.ASGITransport(app), within=True)

    async def ask():
        embedders = Embedders([client], lambda: "classic")
        await failed(app.state.hosts)
        return await embedders._beside(embedder.list_models(), "classic")

    assert asyncio.run(asyncio.wait_for(ask(), 30)) == []


def asked(app, key, profile):
    async def ask():
        headers = {"Authorization": f"Bearer {key}", PROFILE_HEADER: profile}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/v1/models", headers=headers)
        return answer.status_code, answer.json().get("scope")

    return asyncio.run(ask())


def test_only_who_may_write_has_a_profile_loaded_that_the_collection_does_not_use(tmp_path, loads):
    keys = tmp_path / "keys"
    keys.write_text(f"reader read {READ_KEY}\nwriter read,write {WRITE_KEY}\n")
    given = settings(tmp_path / "data", api_keys_file=keys)
    assert asked(create_app(given), READ_KEY, "lite") == (403, "write")
    assert asked(create_app(given), READ_KEY, "huge")[0] == 422
    # That of the settings is loaded anyway.
    assert asked(create_app(given), READ_KEY, "mini")[0] == 503
    assert asked(create_app(given), WRITE_KEY, "lite")[0] == 503
    space = SpaceManifest(
        fingerprint=FINGERPRINTS["lite"], dim=2, metric="cosine", clusters=1, seed=0, postings=[]
    )
    manifest = Manifest(
        number=1, created_at="now", reason="test", revision=1, images=0, visual=space
    )
    SnapshotStore(tmp_path / "data").publish(manifest)
    assert asked(create_app(given), READ_KEY, "lite")[0] == 503
    assert asked(create_app(given), READ_KEY, "classic") == (403, "write")


def test_reembed_shows_why_a_profile_can_not_be_loaded():
    """As soon as the embedder says so, instead of waiting for models that never come."""
    why = "The models of the profile classic can't be loaded: the hub doesn't answer."
    body = problem.body_of(Conflict(why))

    def answer(request):
        assert request.headers[PROFILE_HEADER] == "classic"
        return httpx.Response(409, json=body)

    class Opened:
        embedder = Client("http://localhost", transport=httpx.MockTransport(answer))

    with pytest.raises(Conflict, match="hub doesn't answer"):
        reembed._models(Opened(), reembed.Profile.CLASSIC)


def test_a_start_that_takes_long_says_what_it_waits_for(tmp_path, monkeypatch):
    sentence = "resnet50-1 is quantised to int8, once, which takes about 90 s."
    told, end = threading.Event(), threading.Event()

    def load(settings, tell):
        tell(sentence)
        told.set()
        assert end.wait(60)
        raise Misconfigured("That is all.")

    monkeypatch.setattr(hosting, "load_models", load)

    async def ask():
        host = hosting.Host(settings(tmp_path))
        first = host.not_ready()
        running = asyncio.create_task(host.run(lambda _: None))
        await asyncio.to_thread(told.wait, 60)
        then = host.not_ready()
        end.set()
        await running
        return first, then

    assert asyncio.run(ask()) == ("The models are being loaded.", sentence)
