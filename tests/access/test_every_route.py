"""Every route of the three services says which scope it needs, and holds to it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.embedder.app import create_app as create_embedder
from services.embedder.config import EmbedderSettings
from services.indexer.app import create_app as create_indexer
from services.indexer.config import IndexerSettings
from services.query.app import create_app as create_query
from services.query.config import QuerySettings
from shared.core.settings import ServiceSettings

NAMES = ("query", "indexer", "embedder")
READER, WRITER = "reader-0123456789", "writer-0123456789"

# What changes something, by name: whoever adds a route says so here as well as at the route.
OF_THE_INDEXER = {
    "add_images",
    "patch_image",
    "delete_image",
    "ingest",
    "build_index",
    "train_matching",
    "cancel_job",
    "activate_snapshot",
    "change_images",
    "rename_tag",
    "undo_change",
    "undo_job",
    "read_facts",
    "restore_images",
    "empty_trash",
    "add_judgement",
    "compute_labels",
    "accept_labels",
    "list_source_folders",
    "compare_duplicates",
    "delete_duplicates",
}
WRITES = {
    "query": OF_THE_INDEXER,
    "indexer": OF_THE_INDEXER
    | {"reembed_index", "compact_index", "migrate_index", "read_text"}
    | {"add_features", "add_features_npy", "import_vectors"},
    "embedder": {"train"},
}
OPEN = {"/health", "/ready"}

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FastAPI]:
    """The three services, not started: what they refuse, they refuse before that matters."""
    folder = tmp_path_factory.mktemp("access")
    file = folder / "keys"
    file.write_text(f"reader read {READER}\nwriter write {WRITER}\n")

    def settings(kind: type[ServiceSettings]) -> Any:
        return kind(_env_file=None, data_dir=folder, api_key="own", api_keys_file=file)

    return {
        "query": create_query(settings(QuerySettings)),
        "indexer": create_indexer(settings(IndexerSettings)),
        "embedder": create_embedder(settings(EmbedderSettings)),
    }


def operations(app: FastAPI) -> Iterator[Operation]:
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def asked(app: FastAPI, method: str, path: str, key: str | None) -> httpx.Response:
    values = {
        "image_id": "x",
        "job_id": "x",
        "number": 1,
        "upload_id": "x",
        "token": "x",
        "fingerprint": "x",
    }
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path.format_map(values), headers=headers)

    return asyncio.run(answer())


def scope_of(operation: dict[str, Any]) -> str:
    return str(operation["security"][1]["key"][0])


@pytest.mark.parametrize("name", NAMES)
def test_every_route_declares_a_scope(apps: dict[str, FastAPI], name: str) -> None:
    declared = {
        operation["operationId"]: scope_of(operation)
        for _, path, operation in operations(apps[name])
        if path not in OPEN
    }
    assert {action for action, scope in declared.items() if scope == "write"} == WRITES[name]
    assert set(declared.values()) <= {"read", "write"}


@pytest.mark.parametrize("name", NAMES)
def test_a_key_to_read_changes_nothing_and_one_to_write_reads_nothing(
    apps: dict[str, FastAPI], name: str
) -> None:
    for method, path, operation in operations(apps[name]):
        if path in OPEN:
            continue
        lacking, having = (WRITER, READER) if scope_of(operation) == "read" else (READER, WRITER)
        refused = asked(apps[name], method, path, lacking)
        assert refused.status_code == 403, (method, path)
        assert refused.json()["type"] == "urn:ise:problem:lacks-scope"
        assert asked(apps[name], method, path, having).status_code not in (401, 403), (method, path)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_key_no_route_of_the_api_answers(apps: dict[str, FastAPI], name: str) -> None:
    for method, path, _ in operations(apps[name]):
        for key in (None, "wrong"):
            status = asked(apps[name], method, path, key).status_code
            assert (status == 401) == (path not in OPEN), (method, path)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_open_is_no_part_of_the_api(apps: dict[str, FastAPI], name: str) -> None:
    shut = [path for _, path, _ in operations(apps[name]) if path not in OPEN]
    assert all(path.startswith("/v1/") for path in shut)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_another_origin_posts_nothing(apps: dict[str, FastAPI], name: str) -> None:
    """Every route that isn't a plain GET, the searches by upload among them."""

    async def posted(method: str, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(apps[name], raise_app_exceptions=False)
        headers = {"Authorization": "Bearer own", "Origin": "https://elsewhere.example"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers, files={"file": b"x"})

    for method, path, _ in operations(apps[name]):
        if method != "GET":
            answer = asyncio.run(
                posted(
                    method,
                    path.format_map(
                        {
                            "image_id": "x",
                            "job_id": "x",
                            "number": 1,
                            "upload_id": "x",
                            "token": "x",
                        }
                    ),
                )
            )
            assert answer.json()["type"] == "urn:ise:problem:foreign-page", (method, path)
