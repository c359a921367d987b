"""Services that share no disk with the indexer take snapshots and networks from an object store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.query.app import create_app
from services.query.config import QuerySettings
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.answer import SearchResponse
from shared.contracts.indexer import ImagePatch
from shared.core.errors import Behind, Misconfigured
from shared.media.identity import content_id
from shared.objects.address import Address, store_at
from shared.objects.store import Objects
from shared.snapshots.follower import Follower
from shared.snapshots.version import HEADER, Version
from tests.indexer.running import Service, running_embedder, serving, until
from tests.indexer.s3 import S3Server


@pytest.fixture
def url(s3: S3Server, tmp_path: Path) -> str:
    name = tmp_path.name.replace("_", "-").lower()[-60:]
    s3.fill(name, {})
    return f"s3://{name}/ise"


class Replica:
    """A query service with a disk of its own."""

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self.client = client

    def found(self, data: bytes, **options: Any) -> list[str]:
        return [hit.id for hit in self.client.send(query.search_image(data, **options)).hits]

    def readiness(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.url}/ready", trust_env=False).json()
        return answer


@contextmanager
def replica(
    data: Path, store: str, s3: S3Server, service: Service, embedder: str = "", **changes: Any
) -> Iterator[Replica]:
    settings = QuerySettings(
        _env_file=None,
        data_dir=data,
        snapshots_from=store,
        s3_endpoint=s3.url,
        follow_seconds=0.1,
        indexer_url=service.url,
        embedder_url=embedder or service.settings.embedder_url,
        **changes,
    )
    with serving(create_app(settings)) as url, Client(url) as client:
        yield Replica(url, client)


def written(answer: httpx.Response) -> str:
    """The version that holds a write."""
    assert answer.is_success, answer.text
    return answer.headers[HEADER]


def upload(service: Service, data: bytes, tags: str = "") -> str:
    files = {"files": ("a.png", data)}
    return written(service.http.post("/v1/images", files=files, data={"tags": tags}))


def hits(answer: SearchResponse) -> list[tuple[str, float]]:
    return [(hit.id, hit.distance) for hit in answer.hits]


@pytest.mark.slow
def test_a_write_is_found_where_its_version_is_waited_for(
    start: Callable[..., Service],
    s3: S3Server,
    url: str,
    tmp_path: Path,
    picture: Callable[..., bytes],
) -> None:
    with (
        start(snapshots_to=url, s3_endpoint=s3.url) as service,
        replica(tmp_path / "far", url, s3, service, version_seconds=60) as far,
    ):
        for seed in range(3):
            data, image = picture(seed), content_id(picture(seed))
            assert far.found(data, limit=1, min_version=upload(service, data)) == [image]
        tagged = written(service.http.patch(f"/v1/images/{image}", json={"tags": ["castle"]}))
        answer = far.client.send(query.search_term("castle", min_version=tagged))
        assert [hit.id for hit in answer.hits] == [image]
        assert Version.parse(answer.version).has(Version.parse(tagged))
        deleted = written(service.http.delete(f"/v1/images/{image}"))
        assert image not in far.found(data, min_version=deleted)
        assert far.found(data, min_version=deleted) == service.found(data)
        # A round of the follower ends a moment after its snapshot or deletion is served.
        until(lambda: far.readiness().get("warning") is None)


def test_what_does_not_come_is_said(
    start: Callable[..., Service],
    s3: S3Server,
    url: str,
    tmp_path: Path,
    picture: Callable[..., bytes],
) -> None:
    with (
        start(snapshots_to=url, s3_endpoint=s3.url) as service,
        replica(tmp_path / "far", url, s3, service, version_seconds=0.2) as far,
    ):
        there = Version.parse(upload(service, picture(1)))
        until(lambda: far.found(picture(1)))
        for ahead in (Version(there.snapshot + 1, 0), Version(0, 1)):
            with pytest.raises(
                Behind, match=f"Version {ahead} hasn't arrived here yet; version {there}"
            ):
                far.found(picture(1), min_version=str(ahead))
        for wrong in ("1", "1.x", "-1.0", "1.0.0"):
            answer = httpx.get(
                f"{far.url}/v1/search",
                params={"term": "a", "min_version": wrong},
                trust_env=False,
            )
            assert answer.status_code == 422
            assert "min_version" in answer.json()["detail"]


def test_writes_by_way_of_the_query_service_tell_their_version(
    service: Service, picture: Callable[..., bytes]
) -> None:
    service.add(picture(1))
    service.found(picture(1))
    image = content_id(picture(1))
    patch = ImagePatch(tags=["castle"]).model_dump(exclude_none=True)
    answer = httpx.patch(f"{service.query_url}/v1/images/{image}", json=patch, trust_env=False)
    behind = Version.parse(written(answer))
    answer = httpx.delete(f"{service.query_url}/v1/images/{image}", trust_env=False)
    assert Version.parse(written(answer)) == Version(behind.snapshot, behind.deletions + 1)


@pytest.mark.slow
def test_an_embedder_without_the_disk_downloads_the_network_of_the_snapshot(
    start: Callable[..., Service],
    s3: S3Server,
    url: str,
    tmp_path: Path,
    folder_of: Callable[..., Path],
) -> None:
    source = folder_of(
        {f"{tag}/{n}.png": 10 * i + n for i, tag in enumerate("abc") for n in range(6)}
    )
    with (
        running_embedder(
            tmp_path / "far-embedder", snapshots_from=url, s3_endpoint=s3.url
        ) as embedder,
        start(snapshots_to=url, s3_endpoint=s3.url) as service,
    ):
        service.ingest(source)
        version = service.http.get("/v1/jobs").headers[HEADER]
        with replica(tmp_path / "far", url, s3, service, embedder.url) as far:
            asked = query.search_term("castle", min_version=version)
            answer = far.client.send(asked)
            assert answer.mode == "semantic"
            assert hits(answer) == hits(service.ask(asked))
        [network] = (tmp_path / "far-embedder" / "networks").iterdir()
        assert network.name == service.parts.current.network()


def test_an_indexers_own_folder_is_not_written_to(service: Service, url: str) -> None:
    with pytest.raises(Misconfigured, match="belongs to an indexer"):
        Follower(service.data, Objects(), store_at(url, "URL"), 1)


@pytest.mark.parametrize("text", ["https://host/ise", "/var/ise", "s3://", "s3://a:b@c/d", "ise"])
def test_a_store_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="ISE_SNAPSHOTS_TO"):
        store_at(text, "ISE_SNAPSHOTS_TO")


def test_an_address_has_no_credentials(url: str) -> None:
    assert str(Address.of_store(url, "URL")) == url


@pytest.mark.slow
def test_a_store_that_goes_away_holds_nobody_up(
    start: Callable[..., Service],
    s3: S3Server,
    url: str,
    tmp_path: Path,
    picture: Callable[..., bytes],
) -> None:
    store = S3Server()
    store.start()
    try:
        store.fill(url.split("/")[2], {})
        with (
            start(snapshots_to=url, s3_endpoint=store.url) as service,
            replica(tmp_path / "far", url, store, service, version_seconds=60) as far,
        ):
            assert far.found(picture(1), min_version=upload(service, picture(1)))
            store.kill()
            upload(service, picture(2))
            assert service.finds_itself(picture(2))
            until(lambda: "can't be copied" in service.http.get("/ready").text)
            until(lambda: "can't be followed" in str(far.readiness()))
            assert far.found(picture(1), limit=1) == [content_id(picture(1))]
            store.start()
            # What it held is gone with it.
            store.fill(url.split("/")[2], {})
            assert far.found(picture(3), limit=1, min_version=upload(service, picture(3))) == [
                content_id(picture(3))
            ]
            service.send(indexer.delete_image(content_id(picture(3))))
            until(lambda: content_id(picture(3)) not in far.found(picture(3)))
            # A round of the follower ends a moment after its snapshot or deletion is served.
            until(lambda: far.readiness().get("warning") is None)
    finally:
        store.kill()


def test_versions_are_ordered_by_both() -> None:
    one = Version.parse("12.3")
    assert str(one) == "12.3"
    assert all(map(one.has, [Version(12, 3), Version(11, 0)]))
    assert not any(map(one.has, [Version(13, 0), Version(12, 4)]))
