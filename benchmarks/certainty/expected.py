"""How many match, does anything, and what a list may promise: are the answers right?

Collections are drawn from tagged photos so that classes have different sizes. What is judged are
searches by pictures, words and tags of classes that nothing was learnt from.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.certainty.collections import drawn, picture_searches, stored, word_searches
from benchmarks.certainty.judging import Judgement
from benchmarks.certainty.surveys import survey_error
from benchmarks.certainty.tagged import audit_precision, tag_counts
from benchmarks.matching import photos
from shared.contracts.counting import Counting
from shared.maths.count_fitting import Search, fit
from shared.maths.linear_algebra import one_thread

_MOST, _FOLDS = 600, 5
_LEAST = 3
_WORD_COLLECTIONS = 8


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of `python -m benchmarks`."""
    parser = commands.add_parser("expected", help="counts of matches, promises, absence")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of a folder a tag")
    parser.add_argument("--network", default="lite")
    parser.add_argument("--weights", default="", help="a safetensors file")
    parser.add_argument("--collections", type=int, default=5)
    parser.add_argument("--write", type=Path, help="folder for the countings to package")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, print and return the figures."""
    labels, fingerprint, features = photos.labelled(
        args.photos, args.network, args.weights, args.data / "matching"
    )
    whole = np.asarray(features, np.float32)
    found: dict[str, Any] = {"model": fingerprint, "photos": len(labels)}
    with one_thread():
        by_picture, by_tag, surveys, audits = Judgement(), [], [], []
        pictures: list[Search] = []
        for seed in range(args.collections):
            rows = drawn(labels, _LEAST, np.random.default_rng(seed))
            vectors = stored(fingerprint, whole[rows])
            pictures = _shuffled(picture_searches(vectors, labels[rows], seed), seed)
            by_picture.add(pictures, _FOLDS, _MOST, seed)
            surveys.append(survey_error(pictures, seed))
            by_tag.append(tag_counts(vectors, labels[rows], seed))
            audits.append(audit_precision(vectors, labels[rows], seed))
        found["pictures"] = by_picture.figures()
        found["tags"] = {name: float(np.mean([one[name] for one in by_tag])) for name in by_tag[0]}
        found["audit"] = {
            f"precision_at_{first}": float(np.mean([one[first] for one in audits]))
            for first in audits[0]
        }
        found["judgements"] = {
            name: float(np.mean([one[name] for one in surveys])) for name in surveys[0]
        }
        if args.network == "lite":
            searches = _words(args.photos, labels, whole)
            judged = Judgement()
            judged.add(searches, _FOLDS, len(searches), 0)
            found["words"] = judged.figures()
            if args.write is not None:
                _write(args.write / "words_counting.json", fit(searches))
                _write(args.write / "pictures_counting.json", fit(pictures[:_MOST]))
    print(json.dumps(found, indent=1))
    return found


def _write(file: Path, learnt: Counting | None) -> None:
    if learnt is not None:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(_rounded(learnt)) + "\n", encoding="utf-8")


def _shuffled(searches: list[Search], seed: int) -> list[Search]:
    order = np.random.default_rng(seed).permutation(len(searches)).tolist()
    return [searches[i] for i in order]


def _words(folder: Path, labels: Any, features: Any) -> list[Search]:
    """Names of labels as words, on pictures whose tags nobody showed the joint space."""
    from services.embedder.backbones.lite_backbone import load_lite
    from services.embedder.matching.combined import CombinedNetwork
    from services.embedder.matching.label_map import learnt_map
    from services.embedder.words.meanings import Meanings
    from services.embedder.words.vectors import load_words

    head = load_lite().head
    if head is None:
        return []
    meanings = Meanings(load_words(), head)
    terms = [path.name.replace("_", " ") for path in sorted(folder.iterdir()) if path.is_dir()]
    rows = meanings.embed(terms, allow_unknown=True)
    known = [i for i, row in enumerate(rows) if row is not None and head.named(terms[i])]
    wanted = [rows[i] for i in known]
    found: list[Search] = []
    rng = np.random.default_rng(0)
    for _ in range(_WORD_COLLECTIONS):
        chosen = drawn(labels, int(rng.integers(1, 6)), rng)
        if rng.random() < 0.5:
            chosen = np.sort(rng.permutation(chosen)[: len(chosen) // 2])
        network = CombinedNetwork(learnt_map(meanings, features[chosen]), None, meanings.words.dim)
        network = network.eval()
        vectors = network.project_words(np.stack([row for row in wanted if row is not None]))
        images = network.project_images(features[chosen])
        found += word_searches(vectors, known, images, labels[chosen])
    return found


def _rounded(learnt: Counting) -> dict[str, Any]:
    """The counting with as many digits as tell anything."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.6g}")
        if isinstance(value, list):
            return [short(one) for one in value]
        if isinstance(value, dict):
            return {name: short(one) for name, one in value.items()}
        return value

    rounded: dict[str, Any] = short(learnt.model_dump())
    return rounded
