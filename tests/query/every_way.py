"""A collection in which pictures and videos are found in every way there is, and these ways."""

import base64
import json

import numpy as np

from shared.contracts.calibration import TAG, Calibration
from shared.contracts.query import Metric
from shared.contracts.text import Word
from shared.snapshots.frames import FrameVectors
from shared.snapshots.items import Item
from shared.snapshots.manifest import FramesManifest, TextsManifest
from shared.snapshots.texts import ReadText, packed
from tests.query.conftest import Library, Models

COUNT, VISUAL, JOINT = 60, 8, 6
FILMS = tuple(range(0, COUNT, 6))
SIGNS = (0, 1, 7, 12)
BOX = [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2], [0.1, 0.2]]
LOOKS = [{"red": 0.6, "grey": 0.3}, {"blue": 0.5, "green": 0.2}, {"red": 0.3, "blue": 0.3}]
_FRAMES, _STEP_S = 3, 2.5


def name(ordinal):
    # In another order than ordinals, so that ties show which of both decides.
    return f"img-{ordinal * 7 % COUNT:02d}"


ORDINALS = {name(ordinal): ordinal for ordinal in range(COUNT)}


def _curve(space, **fields):
    return Calibration(
        space=space,
        metric=Metric.COSINE,
        scores=[-1.0, 1.0],
        probabilities=[0.0, 1.0],
        queries=10,
        pairs=100,
        expected_error=0.01,
        brier=0.1,
        base_rate_brier=0.2,
        predicted=[],
        matched=[],
        **fields,
    )


def publish(library: Library, films=FILMS):
    """Publish the collection; give its visual and joint vectors. films: those that have frames."""
    rng = np.random.default_rng(11)
    visual = rng.normal(size=(COUNT, VISUAL)).astype(np.float32)
    joint = rng.normal(size=(COUNT, JOINT)).astype(np.float32)
    items = [
        Item(
            i,
            name(i),
            ["dog", *(["few"] if i % 2 else [])] if i % 4 else [],
            [f"{'ab'[i % 2]}/{i}.jpg"],
            {"year": 2000 + i},
            file={"colors": LOOKS[i % 3], "latitude": i - 30.0, "longitude": 2.0 * i},
        )
        for i in range(COUNT)
    ]
    frames = {
        "visual": rng.normal(size=(len(films) * _FRAMES, VISUAL)),
        "joint": rng.normal(size=(len(films) * _FRAMES, JOINT)),
    }
    lineages = {"visual": "model-1", "joint": "network-1 model-1"}
    ordinals = np.repeat(np.array(films, np.int64), _FRAMES)
    times = np.tile(_STEP_S * np.arange(_FRAMES), len(films)).astype(np.float32)
    manifests = [
        FramesManifest(
            space=space,
            lineage=lineages[space],
            revision=1,
            files=[
                library.segments.frames(FrameVectors(ordinals, times, vectors.astype(np.float32)))
            ],
        )
        for space, vectors in frames.items()
        if len(films)
    ]
    words = [Word(text="sign", confidence=c, line=0, box=BOX) for c in (0.9, 0.8, 0.7, 0.3)]
    texts = [ReadText(one, [packed(word)]) for one, word in zip(SIGNS, words, strict=True)]
    library.publish(
        items,
        visual=library.space(visual, 4, sizes=(40,)).model_copy(
            update={
                "calibration": [_curve("visual"), _curve(TAG)],
                "tag_spread": 1.0,
            }
        ),
        joint=library.space(joint, 3, name="joint", fingerprint="network-1").model_copy(
            update={"calibration": [_curve("joint"), _curve("joint", untrained=True)]}
        ),
        matching_fingerprint="model-1",
        tag_vectors=[library.segments.tag_vectors({"dog": joint[1], "few": joint[3]})],
        texts=TextsManifest(revision=1, files=[library.segments.texts(texts)]),
        frames=manifests,
    )
    return visual, joint


def models(visual, joint):
    return Models(
        images={b"picture": visual[5]},
        joint={b"picture": joint[5]},
        terms={"puppy": joint[9], "sign": joint[10], "orange": joint[11]},
    )


PICTURE = base64.b64encode(b"picture").decode()
RED, ITSELF = {"term": "red"}, {"id": name(5)}
FOLDER = {"must": [{"key": "file.folder", "match": "a"}]}
MAP = {"must": [{"key": "file.latitude", "gte": -20}, {"key": "file.longitude", "lt": 100}]}

WAYS = {
    "tag": {"term": "dog"},
    "meaning": {"term": "puppy"},
    "text": {"term": '"sign"'},
    "text and meaning": {"term": "sign"},
    "picture": {"image": PICTURE},
    "id": {"id": name(5)},
    "vector": {"vector": [1.0, -1.0, 0.5, 0.25, -0.5, 2.0, 1.5, -0.25]},
    "one part": {"parts": [ITSELF]},
    "parts": {"parts": [ITSELF, {"id": name(8), "weight": -0.5}]},
    "picture and word": {"parts": [ITSELF, {"term": "puppy", "weight": 0.5}]},
    "colour": {"term": "red"},
    "colours": {"parts": [RED, {"term": "blue"}]},
    "colour or thing": {"term": "orange"},
    "colour and tag": {"term": "red dog"},
    "colour and meaning": {"term": "red puppy"},
    "colour and part": {"parts": [RED, ITSELF]},
    "colour and parts": {"parts": [ITSELF, RED, {"id": name(8), "weight": 0.5}]},
    "without a colour": {"parts": [{"term": "green", "weight": -1}, ITSELF]},
    "by date": {"id": name(5), "sort": "name"},
    "tag by date": {"term": "dog", "sort": "-added"},
    "in a folder": {"id": name(5), "filter": FOLDER},
    "on the map": {"id": name(5), "filter": MAP},
}


def asked(way):
    """Return a copy of what is searched for in a way."""
    return json.loads(json.dumps(WAYS[way]))
