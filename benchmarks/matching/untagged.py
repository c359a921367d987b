"""Word -> photo where no photo has a tag, and for terms that no photo carries among tagged ones.

Every term ranks all photos by the joint vectors that the product makes of stored features. Terms
are told apart by whether a class of the network has that name, and figures are given for both
halves of them: the parameters were chosen by looking at one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching.photos import features_of, terms_of
from services.embedder.matching.combined import CombinedNetwork
from services.embedder.matching.evaluation import average_precision
from services.embedder.matching.joint_maker import JointMaker
from services.embedder.matching.training import train
from services.embedder.matching.training_set import TrainingSet
from services.embedder.registry import load_backbone
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import Words
from shared.contracts.embedder import TrainingSettings
from shared.core.errors import NotFound

Floats = NDArray[np.float32]

_UNSEEN = 20
_SUFFIXES = (".jpg", ".jpeg", ".png")

GENERAL = {
    "bird": ["emu", "flamingo", "flamingo_head", "ibis", "pigeon", "rooster"],
    "insect": ["ant", "butterfly", "dragonfly", "mayfly"],
    "reptile": ["brontosaurus", "crocodile", "crocodile_head", "hawksbill", "stegosaurus"],
    "furniture": ["chair", "lamp", "wheelchair", "windsor_chair"],
    "musical instrument": [
        *["accordion", "electric_guitar", "euphonium", "grand_piano", "mandolin", "saxophone"]
    ],
    "vehicle": [
        *["airplanes", "car_side", "ferry", "helicopter", "ketch", "motorbikes", "schooner"]
    ],
    "flower": ["sunflower"],
    "dog": ["dalmatian"],
    "food": ["crayfish", "lobster", "pizza", "strawberry"],
    "boat": ["ferry"],
}
"""Tags of Caltech 101 that lie below each word in WordNet, in the sense that the photos show."""
SEEN_AS = {
    "flower": ["sunflower", "lotus", "water_lilly"],
    "boat": ["ferry", "ketch", "schooner"],
}
"""Beside them what people call so: in WordNet a water lily is no flower, and a ketch no boat."""


@dataclass(frozen=True)
class Photos:
    """Photos of folders: their features, (n, dim), and the tag of each."""

    features: Floats
    tags: NDArray[np.str_]
    fingerprint: str
    meanings: Meanings

    @property
    def terms(self) -> list[str]:
        """The tags that have a word vector, in order."""
        names = sorted(set(self.tags.tolist()))
        return [name for name in names if self.meanings.words.find(name) is not None]


def load(folder: Path, network: str, weights: str, words: Words, cache: Path) -> Photos:
    """Photos by the network's features. Raises NotFound where it names no classes."""
    backbone = load_backbone(network, weights)
    if backbone.head is None:
        raise NotFound(f"The weights of {network} bring no classifier whose classes have names.")
    terms = terms_of(folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    tags = [terms.get(file.parent.name, file.parent.name) for file in files]
    fingerprint, features = features_of(files, network, weights, cache)
    meanings = Meanings(words, backbone.head)
    return Photos(np.array(features), np.array(tags), fingerprint, meanings)


def label_scores(photos: Photos) -> Callable[[str], Floats]:
    """The semantic score of every photo for a term, where no photo has a tag."""
    words = photos.meanings.words
    network = JointMaker.of(photos.features, words, photos.meanings).network(None)
    images = network.project_images(photos.features)

    def scores(term: str) -> Floats:
        row = photos.meanings.find(term)
        if row is None:
            return np.zeros(len(images), np.float32)
        found: Floats = images @ network.project_words(row[None])[0]
        return found

    return scores


def measure(photos: Photos, splits: int, settings: TrainingSettings) -> dict[str, Any]:
    """All figures, as JSON."""
    scores = label_scores(photos)
    carried = {term: [term] for term in photos.terms}
    found = _ranked(photos, scores, carried)
    named = {term for term in photos.terms if _names_a_class(photos.meanings, term)}
    strict, seen = _ranked(photos, scores, GENERAL), _ranked(photos, scores, GENERAL | SEEN_AS)
    unseen = [_unseen(photos, settings, seed) for seed in range(splits)]
    return {
        "photos": len(photos.tags),
        "terms": _mean(found),
        "terms_that_a_class_names": _mean({t: f for t, f in found.items() if t in named}),
        "terms_that_none_names": _mean({t: f for t, f in found.items() if t not in named}),
        "terms_by_halves": [
            _mean({t: found[t] for t in photos.terms[half::2]}) for half in range(2)
        ],
        "general_words": _mean(strict),
        "general_words_as_people_say": _mean(seen),
        "each_general_word": strict,
        "unseen_terms": {
            "mean_average_precision": float(np.mean([one["unseen"] for one in unseen])),
            "splits": unseen,
        },
        "each_term": found,
    }


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    rows = ["| | terms | mAP | P@10 |", "| --- | ---: | ---: | ---: |"]
    parts = [
        ("all terms with a word vector", found["terms"]),
        ("a class has that name", found["terms_that_a_class_names"]),
        ("none has", found["terms_that_none_names"]),
        ("first half, which chose the parameters", found["terms_by_halves"][0]),
        ("second half", found["terms_by_halves"][1]),
        ("ten general words, below them in WordNet", found["general_words"]),
        ("ten general words, as people say", found["general_words_as_people_say"]),
    ]
    rows += [
        f"| {name} | {f['terms']} | {f['mean_average_precision']:.3f} "
        f"| {f['precision_at_10']:.3f} |"
        for name, f in parts
    ]
    unseen = found["unseen_terms"]
    count = len(unseen["splits"])
    rows.append(
        f"| 20 terms that no photo carries, {count} splits | {_UNSEEN} | "
        f"{unseen['mean_average_precision']:.3f} | |"
    )
    kept = [
        (name, float(np.mean([one[key] for one in unseen["splits"]])))
        for name, key in (
            ("tags that photos carry, photos put aside", "carried"),
            ("the same without labels", "carried_without_labels"),
        )
    ]
    rows += [f"| {name} | | {value:.3f} | |" for name, value in kept]
    return "\n".join(rows)


def _ranked(
    photos: Photos, scores: Callable[[str], Floats], right: dict[str, list[str]]
) -> dict[str, dict[str, float]]:
    figures = {}
    for term, tags in right.items():
        order = np.argsort(-scores(term), kind="stable")
        matched = np.isin(photos.tags, tags)[order]
        figures[term] = {
            "mean_average_precision": average_precision(matched),
            "precision_at_10": float(matched[:10].mean()),
        }
    return figures


def _mean(figures: dict[str, dict[str, float]]) -> dict[str, float]:
    if not figures:
        return {"terms": 0, "mean_average_precision": 0.0, "precision_at_10": 0.0}
    names = ("mean_average_precision", "precision_at_10")
    means = {name: float(np.mean([one[name] for one in figures.values()])) for name in names}
    return {"terms": len(figures)} | means


def _names_a_class(meanings: Meanings, term: str) -> bool:
    key = meanings.hierarchy.key(term)
    return any(key in names for names in meanings.hierarchy.names)


def _unseen(photos: Photos, settings: TrainingSettings, seed: int) -> dict[str, float]:
    """mAP of terms that no photo carries, among the photos of their kinds, tags on the others.

    And of tags that photos carry, among photos that were put aside, by the same network with and
    without its labels.
    """
    rng = np.random.default_rng(seed)
    terms = photos.terms
    unseen = {
        terms[i] for i in rng.choice(len(terms), min(_UNSEEN, len(terms) // 2), replace=False)
    }
    known = [term for term in terms if term not in unseen]
    aside = rng.random(len(photos.tags)) < 0.1
    number = {term: i for i, term in enumerate(known)}
    rows = [
        [number[tag]] if tag in number and not away else []
        for tag, away in zip(photos.tags.tolist(), aside.tolist(), strict=True)
    ]
    tagged = TrainingSet(photos.features, known, rows, photos.fingerprint)
    meanings = photos.meanings
    network, _ = train(tagged, meanings.words, settings, meanings=meanings)
    if not isinstance(network, CombinedNetwork) or network.trained is None:
        raise NotFound("The training gave no network.")
    alone = network.trained
    images, features = network.project_images(photos.features), photos.features
    of_unseen = np.isin(photos.tags, list(unseen))

    def vector(term: str) -> Floats:
        return network.project_words(np.stack(_rows(meanings, [term])))[0]

    def without_labels(term: str) -> Floats:
        word = meanings.words.in_context(meanings.words.features(term)[None])
        return alone.project_words(word)[0]

    return {
        "unseen": _map(images[of_unseen], photos.tags[of_unseen], sorted(unseen), vector),
        "carried": _map(images[aside], photos.tags[aside], known, vector),
        "carried_without_labels": _map(
            alone.project_images(features[aside]), photos.tags[aside], known, without_labels
        ),
    }


def _rows(meanings: Meanings, terms: Sequence[str]) -> list[Floats]:
    return [row for row in meanings.embed(terms) if row is not None]


def _map(
    images: Floats, tags: NDArray[np.str_], terms: Sequence[str], vector: Callable[[str], Floats]
) -> float:
    found = [
        average_precision((tags == term)[np.argsort(-(images @ vector(term)), kind="stable")])
        for term in terms
        if (tags == term).any()
    ]
    return float(np.mean(found))
