"""Export, import and compare collections."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from shared.clients import indexer, query
from shared.contracts.features import FeaturesRequest, ImportRequest
from shared.contracts.jobs import Job, JobKind
from tests.indexer.running import Service


def exported(service: Service, folder: Path, **options: Any) -> Path:
    """Exports into a folder of this name."""
    with service.client.stream(indexer.export_collection(**options)) as response:
        data = response.read()
    assert len(data) == int(response.headers["Content-Length"])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def start_import(service: Service, source: Path, **options: Any) -> Job:
    return service.send(indexer.import_vectors(ImportRequest(source=str(source), **options)))


def imported(service: Service, source: Path, **options: Any) -> dict[str, Any]:
    job = service.succeeded(start_import(service, source, **options))
    assert job.kind is JobKind.IMPORT
    return job.result


def fill(service: Service, rows: int = 400, dim: int = 12) -> np.ndarray:
    vectors = np.random.default_rng(5).normal(size=(rows, dim)).astype(np.float32)
    items = [
        {
            "id": f"p/{n}",
            "vector": vectors[n].tolist(),
            "tags": [f"Tag {n % 7}", "all,in;one"] if n % 3 else [],
            "uris": [f"shop/{n}.jpg"] if n % 2 else [],
            "metadata": {"n": n, "text": 'a "quoted"\nline'},
        }
        for n in range(rows)
    ]
    body = {"model": "clip", "items": items}
    service.send(indexer.add_features(FeaturesRequest.model_validate(body)))
    return vectors


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def answers(service: Service, vectors: np.ndarray, **options: Any) -> list[Any]:
    return [
        [(h.id, h.score, h.distance, h.tags, h.uris, h.metadata) for h in found.hits]
        for v in vectors
        for found in [service.ask(query.search_vector(v.tolist(), limit=20, **options))]
    ]


def table(folder: Path, rows: int = 20_000, dim: int = 4) -> tuple[Path, np.ndarray]:
    vectors = np.random.default_rng(1).normal(size=(rows, dim)).astype(np.float32)
    np.save(folder / "f.npy", vectors)
    return folder / "f.npy", vectors


def said(folder: Path, **changes: Any) -> None:
    path = folder / "export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
