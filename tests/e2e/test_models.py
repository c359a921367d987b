"""Other models through the whole path, from local files; and none at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.clients import embedder, indexer, query
from shared.contracts.answer import Mode
from shared.contracts.indexer import BuildSettings
from shared.contracts.jobs import JobState
from shared.core.errors import FingerprintMismatch
from tests.e2e.conftest import Start
from tests.e2e.engine import REPOSITORY, running
from tests.ports import free_port


@pytest.mark.slow
def test_an_index_of_another_model_is_refused_until_it_is_built_anew(
    sample: Path, tmp_path: Path
) -> None:
    weights = _random_weights(tmp_path, "resnet18")
    picture = next(sample.parent.rglob("*.jpg"))
    with running(tmp_path / "data", tmp_path / "logs") as engine:
        engine.ingest(sample)
        image_id = engine.ask(query.search_image(picture.read_bytes(), limit=1)).hits[0].id
    other = {"ISE_BACKBONE": "resnet18", "ISE_WEIGHTS": str(weights)}
    with running(tmp_path / "data", tmp_path / "logs", **other) as engine:
        with pytest.raises(FingerprintMismatch, match=r"mini-.*resnet18.*ise build"):
            engine.ask(query.search_image(picture.read_bytes()))
        with pytest.raises(FingerprintMismatch, match=r"mini-.*resnet18"):
            engine.indexer.send(indexer.add_images([("x.jpg", b"anything")]))
        # What needs no embedder goes on.
        assert engine.ask(query.search_id(image_id, limit=1)).hits[0].id == image_id
        engine.done(engine.indexer.send(indexer.build_index(BuildSettings())))
        answer = engine.ask(query.search_image(picture.read_bytes(), limit=1))
        assert answer.hits[0].id == image_id
        assert answer.model is not None
        assert "resnet18" in answer.model
        assert engine.ask(query.search_term("automobile")).mode is Mode.SEMANTIC


@pytest.mark.slow
def test_the_classic_pair_goes_the_whole_way(start: Start, sample: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number, path in enumerate(sorted(sample.parent.rglob("*.jpg"))[:12]):
        folder = few / ("tree" if number % 2 else "house")
        folder.mkdir(exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    env = {
        "ISE_PROFILE": "classic",
        # Else a quick machine goes on to another engine between two requests.
        "ISE_INFERENCE": "eager",
        "ISE_PRECISION": "fp32",
        "ISE_WEIGHTS": str(_random_weights(tmp_path, "inception_resnet_v2")),
        "ISE_MATCHING_WEIGHTS": str(_random_weights(tmp_path, "resnet50")),
    }
    with start(**env) as engine:
        hosted = engine.embedder.send(embedder.list_models())
        assert (hosted.visual.architecture, hosted.visual.dim) == ("inception_resnet_v2", 1536)
        assert (hosted.matching.architecture, hosted.matching.dim) == ("resnet50", 2048)
        job = engine.ingest(few)
        assert job.result is not None
        assert job.result["embedded"] == 12
        path = next((few / "tree").iterdir())
        first = engine.ask(query.search_image(path.read_bytes())).hits[0]
        assert first.uri == f"tree/{path.name}"
        assert first.score >= 0.999
        tagged = engine.ask(query.search_term("house"))
        assert {tuple(hit.tags) for hit in tagged.hits} == {("house",)}
        assert engine.ask(query.search_term("forest")).mode is Mode.SEMANTIC
        added = engine.indexer.send(
            indexer.add_images([("new.jpg", sorted(sample.parent.rglob("*.jpg"))[20].read_bytes())])
        )
        assert engine.ask(query.search_id(added.items[0].id or "")).hits[0].uri == "new.jpg"
        stored = {path.name for path in (engine.data_dir / "features").iterdir()}
        assert stored == {hosted.visual.fingerprint, hosted.matching.fingerprint}


@pytest.mark.slow
def test_without_network_or_file_one_sentence_says_what_would_help() -> None:
    env = {
        **os.environ,
        "ISE_BACKBONE": "resnet50",
        "ISE_EMBEDDER_PORT": str(free_port()),
        "HF_HUB_OFFLINE": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "services.embedder"],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode != 0
    assert "ISE_WEIGHTS" in ended.stderr
    assert "resnet50" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_job_that_cannot_work_fails_with_a_sentence(start: Start, sample: Path) -> None:
    with start() as engine:
        engine.ingest(sample, build=False)
        job = engine.wait(engine.indexer.send(indexer.build_index(BuildSettings(clusters=5000))))
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert "5000 clusters" in job.error
        assert "160 images" in job.error


def _random_weights(folder: Path, name: str) -> Path:
    """A timm model with weights drawn by seed, as a safetensors file."""
    import torch
    from safetensors.torch import save_file

    from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops

    ensure_torchvision_ops()
    import timm

    torch.manual_seed(0)
    path = folder / f"{name}.safetensors"
    model = timm.create_model(name, pretrained=False)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    return path
