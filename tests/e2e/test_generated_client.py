"""A client generated from the OpenAPI files calls every route of the running services."""

import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from shared.clients import embedder as embedder_api
from shared.clients import indexer as indexer_api
from shared.clients import query as query_api
from shared.contracts.jobs import JobState
from shared.core.errors import Conflict
from tests.e2e.conftest import Start
from tests.e2e.engine import REPOSITORY, Engine

SERVICES = ("query", "indexer", "embedder")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one generated package a service."""
    folder = tmp_path_factory.mktemp("generated")
    bin_dir = Path(sys.executable).parent
    for name in SERVICES:
        subprocess.run(
            [
                bin_dir / "openapi-python-client",
                "generate",
                *("--path", REPOSITORY / "docs" / "openapi" / f"{name}.json"),
                *("--output-path", folder / f"ise_{name}"),
                *("--meta", "none"),
            ],
            env={**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}"},
            capture_output=True,
            check=True,
            timeout=120,
        )
    return folder


def _calls(engine: Engine, picture: bytes) -> dict[str, dict[str, dict[str, Any]]]:
    """Arguments for each operation; a body is its model's name and its fields."""
    image = engine.ask(query_api.search_term("tree", limit=1)).hits[0].id
    upload = engine.ask(query_api.keep_upload(picture)).id
    # An image and a job of its own, for what changes them.
    added = engine.indexer.send(indexer_api.add_images([("own.gif", _gif())], ["own"]))
    own = added.items[0].id
    job = engine.indexer.send(indexer_api.list_jobs()).jobs[-1].id
    snapshot = engine.indexer.send(indexer_api.list_snapshots()).snapshots[0].number
    rows = engine.embedder.send(embedder_api.embed_images([picture]))
    anywhere: dict[str, dict[str, Any]] = {"get_health": {}, "get_readiness": {}}
    # Both services take these.
    managing: dict[str, dict[str, Any]] = {
        # First, as each change publishes another and old ones go.
        "activate_snapshot": {"number": snapshot},
        "patch_image": {"image_id": own, "body": ("ImagePatch", {"tags": ["owned"]})},
        "change_images": {"body": ("BulkRequest", {"ids": [own], "add_tags": ["bulk"]})},
        "rename_tag": {"body": ("RenameRequest", {"from": "owned", "to": "renamed"})},
        "delete_image": {"image_id": own},
        "list_trash": {},
        "get_trashed_thumbnail": {"image_id": own},
        "restore_images": {"body": ("RestoreRequest", {"ids": [own]})},
        "empty_trash": {},
        "undo_change": {"token": "none"},
        "undo_job": {"job_id": "none"},
        "read_facts": {"body": ("FactsRequest", {})},
        "list_source_folders": {},
        "ingest": {"body": ("IngestRequest", {"source": "/nowhere", "build": False})},
        "build_index": {"body": ("BuildSettings", {"metric": "cosine"})},
        "get_index_health": {},
        "train_matching": {"body": ("TrainMatchingRequest", {"settings": {"epochs": 1}})},
        "compute_labels": {},
        "accept_labels": {"body": ("AcceptLabelsRequest", {"least": 0.9})},
        "compare_duplicates": {},
        "plan_duplicates": {},
        "delete_duplicates": {"body": ("DeleteDuplicates", {"plan": "none"})},
        "list_jobs": {},
        "get_job": {"job_id": job},
        "list_job_failures": {"job_id": job},
        "cancel_job": {"job_id": job},
        "list_snapshots": {},
        "add_judgement": {"body": ("JudgementRequest", _judgement(image))},
        "list_judgements": {},
    }
    return {
        "query": {
            **anywhere,
            "search_images": {"body": ("SearchRequest", {"id": image, "limit": 2})},
            "search_by_image": {"body": ("ImageForm", {"file": picture, "limit": 2})},
            "search_by_term": {"term": "tree", "limit": 2},
            "search_batch": {"body": ("BatchRequest", {"searches": [{"id": image}]})},
            "find_similar_images": {"image_id": image},
            "suggest_tags": {"image_id": image},
            "suggest_tags_for_upload": {"body": ("SuggestForm", {"file": picture, "limit": 3})},
            "list_duplicates": {},
            "get_random_images": {"limit": 2},
            "list_images": {"limit": 2},
            "get_timeline": {},
            "get_facets": {},
            "get_map": {},
            "list_places": {"match": "par"},
            "list_questions": {"limit": 2},
            "get_precision": {},
            "list_suspicious_tags": {},
            "list_folders": {},
            "get_archive": {"id": [image]},
            "download_images": {"body": ("ArchiveRequest", {"ids": [image]})},
            "explain_match": {"image_id": image, "to": image},
            "draw_match": {"image_id": image, "to": image},
            "explain_upload": {"body": ("WhyForm", {"file": picture, "to": image})},
            "draw_upload": {"body": ("WhyForm", {"file": picture, "to": image})},
            "get_image": {"image_id": image},
            "get_image_file": {"image_id": image},
            "allow_image_file": {"image_id": image},
            "get_thumbnail": {"image_id": image},
            "get_image_shapes": {"body": ("ShapesRequest", {"ids": [image]})},
            "keep_upload": {"body": ("UploadForm", {"file": picture})},
            "get_upload": {"upload_id": upload},
            "list_tags": {"prefix": "t"},
            "list_labels": {"least": 0.5},
            "get_stats": {},
            "add_images": {"body": ("AddImagesBody", {"files": [_gif()], "tags": "own"})},
            **managing,
            # The indexer's own client is to find it again.
            "delete_image": {"image_id": image},
            "get_trashed_thumbnail": {"image_id": image},
        },
        "indexer": {
            **anywhere,
            "add_images": {"body": ("AddForm", {"files": [_gif()], "tags": "own"})},
            "get_image": {"image_id": own},
            "get_image_file": {"image_id": own},
            "get_thumbnail": {"image_id": own},
            "get_image_shapes": {"body": ("ShapesRequest", {"ids": [own]})},
            **managing,
            "read_text": {"body": ("TextRequest", {})},
            "compact_index": {},
            "reembed_index": {"body": ("ReembedRequest", {})},
            "migrate_index": {"body": ("MigrateRequest", {"to": "local"})},
            "add_features": {"body": ("FeaturesRequest", {"model": "m", "items": [_VECTOR]})},
            "add_features_npy": {
                "body": ("NpyForm", {"model": "m", "features": _npy(), "ids": b"v"})
            },
            "import_vectors": {"body": ("ImportRequest", {"source": "/nowhere"})},
            "export": {},
            "get_stats": {},
        },
        "embedder": {
            **anywhere,
            "embed_images": {"body": ("EmbedImagesFilesBody", {"files": [picture]})},
            "explain_images": {"body": ("ExplainImagesBody", {"files": [picture, picture]})},
            "draw_explanation": {"body": ("DrawExplanationBody", {"files": [picture, picture]})},
            "embed_terms": {"body": ("EmbedTermsRequest", {"terms": ["tree"], "space": "word"})},
            "list_models": {},
            "get_labels": {"fingerprint": rows.fingerprint},
            "project": {"body": rows.vectors.tobytes(), "x_ise_fingerprint": rows.fingerprint},
            "train": {"body": ("TrainRequest", {"training_set": "none"})},
        },
    }


# What is asked for here can't be: the job has ended, nothing is to be undone, there is no such
# training set and no such export, the small network has no classifier, and vectors from outside
# can't stand beside those of pictures.
REFUSED = {
    "cancel_job": 409,
    "delete_duplicates": 409,
    "undo_job": 404,
    "undo_change": 404,
    "train": 404,
    "get_labels": 404,
    "import_vectors": 422,
    "add_features": 409,
    "add_features_npy": 409,
}
_VECTOR = {"id": "v", "vector": [1.0, 2.0]}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_route_is_called(
    generated: Path, start: Start, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(generated))
    picture = next(sample.parent.glob("castle-*.jpg")).read_bytes()
    with start() as engine:
        engine.ingest(sample)
        for name in SERVICES:
            _call_all(generated, engine, name, _calls(engine, picture)[name])
            # One service's jobs, such as a training, would have the next one's calls refused.
            for job in engine.indexer.send(indexer_api.list_jobs()).jobs:
                if job.state is JobState.QUEUED:
                    # It may have begun, or ended, by now.
                    with suppress(Conflict):
                        engine.indexer.send(indexer_api.cancel_job(job.id))
                engine.wait(job)


def _judgement(image: str) -> dict[str, Any]:
    return {"search": {"term": "tree"}, "id": image, "right": True}


def _call_all(generated: Path, engine: Engine, name: str, calls: dict[str, dict[str, Any]]) -> None:
    package = f"ise_{name}"
    operations = {
        path.stem: f"{package}.api.{path.parent.name}.{path.stem}"
        for path in (generated / package / "api").glob("*/*.py")
        if path.stem != "__init__"
    }
    assert set(operations) == set(calls)
    client_type = importlib.import_module(f"{package}.client").AuthenticatedClient
    with client_type(engine.group.url(name), token="unused", timeout=60) as client:  # noqa: S106
        for operation, arguments in calls.items():
            module = importlib.import_module(operations[operation])
            given = dict(arguments)
            if "body" in given:
                given["body"] = _body(package, given["body"])
            answer = module.sync_detailed(client=client, **given)
            expected = {REFUSED[operation]} if operation in REFUSED else {200, 202}
            assert answer.status_code in expected, (operation, answer.content)


def _body(package: str, body: Any) -> Any:
    types: ModuleType = importlib.import_module(f"{package}.types")

    def file(data: bytes) -> Any:
        return types.File(payload=io.BytesIO(data), file_name="picture")

    if isinstance(body, bytes):
        return file(body)
    model_name, fields = body
    model: Callable[..., Any] = getattr(importlib.import_module(f"{package}.models"), model_name)
    files = {name: file(data) for name, data in fields.items() if isinstance(data, bytes)}
    if files:
        return model(**fields | files)
    if "files" in fields:
        return model(**{**fields, "files": [file(data) for data in fields["files"]]})
    return model.from_dict(fields)  # type: ignore[attr-defined]


def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.ones((1, 2), np.float32))
    return out.getvalue()


def _gif() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.radial_gradient("L").save(out, "GIF")
    return out.getvalue()
