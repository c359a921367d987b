"""The sections of the benchmarks' page about what is found: order, words, labels."""

from typing import Any

from benchmarks.tables import measured_on, table

_CALTECH = "--photos caltech101"


def ranking(found: dict[str, Any]) -> str:
    """P@10 and probabilities of searches by picture, and of tags."""
    network = found["model"].rsplit("-", 1)[0]
    sizes = {size: told for size, told in found.items() if size.endswith("a class")}
    rows = [
        [size, order, *(f"{told[order][name]:.3f}" for name in ("mAP", "P@1", "P@10")),
         *(f"{told[order][f'P@10 of the {half} half']:.3f}" for half in ("first", "second"))]
        for size, told in sizes.items()
        for order in ("none", "neighbours")
    ]  # fmt: skip
    heads = ["photos", "re-rank", "mAP", "P@1", "P@10", "first half of classes", "second half"]
    chances = [
        *([f"pictures, {size}", *_worth(told["probability"])] for size, told in sizes.items()),
        *([f"tags, {share}", *_worth(told)] for share, told in found["tags"].items()),
    ]
    lines = [
        f"## Pictures like a picture: {found['photos']:,} photos, {network}",
        "",
        measured_on(found),
        "",
        f"`python -m benchmarks ranking {_CALTECH} --network {network.replace('-', '/', 1)}`: "
        f"each photo against all others by exact cosine, transform `{found['transform']}`. The "
        f"re-rank takes {found['25 a class']['milliseconds']:.2f} ms of processor time.",
        "",
        *table(heads, rows),
        "",
        "Probabilities, judged on queries and tags that they were not fitted on; tags are mistaken "
        "on purpose:",
        "",
        *table(["", "Brier", "base rate", "ECE"], chances),
        "",
    ]
    return "\n".join(lines)


def untagged(found: dict[str, Any]) -> str:
    """Words on photos without tags."""
    names = {
        "terms": "all terms with a word vector",
        "terms_that_a_class_names": "a class has that name",
        "terms_that_none_names": "none has",
        "general_words": "ten general words, right what lies below them in WordNet",
        "general_words_as_people_say": "ten general words, right what people call so",
    }
    parts = [(name, found[key]) for key, name in names.items()]
    over_http = found.get("over_http")
    if over_http is not None:
        parts += [
            ("over HTTP, all terms, mAP of the first 1,000", over_http["terms"]),
            ("over HTTP, ten general words", over_http["general_words"]),
        ]
    rows = [
        [name, str(of["terms"]), f"{of['mean_average_precision']:.3f}",
         f"{of['precision_at_10']:.3f}"]
        for name, of in parts
    ]  # fmt: skip
    unseen = found["unseen_terms"]
    lines = [
        f"## Words without tags: {found['photos']:,} photos",
        "",
        measured_on(found),
        "",
        f"`python -m benchmarks untagged {_CALTECH} --url ...`. 20 terms that no photo carries, "
        f"tags on the others, {len(unseen['splits'])} splits, among their kinds: mAP "
        f"{unseen['mean_average_precision']:.3f}.",
        "",
        *table(["", "terms", "mAP", "P@10"], rows),
        "",
    ]
    return "\n".join(lines)


def words_probability(found: dict[str, Any]) -> str:
    """Probability of words without tags, by collection."""
    parts = {name: of for name, of in found.items() if isinstance(of, dict) and "brier" in of}
    rows = [[name, f"{of['pairs']:,}", *_worth(of)] for name, of in parts.items()]
    photos = " ".join(f"--photos {name}" for name in parts if " in " not in name and "," not in name
                      and not name.startswith("all"))  # fmt: skip
    lines = [
        "## Words without tags: probability",
        "",
        measured_on(found),
        "",
        f"`python -m benchmarks words-probability {photos}`: the first 20 hits of terms that the "
        "curve was not fitted on (10 folds). In parts: random parts of the collection, of which a "
        "fifth of the terms have no photo.",
        "",
        *table(["", "hits", "Brier", "base rate", "ECE"], rows),
        "",
    ]
    return "\n".join(lines)


def labels(found: dict[str, Any]) -> str:
    """How often labels are right."""
    rows = [
        [name, f"{of['labelled']:.0%}", f"{of['right']:.3f}", str(of["labelled_with_a_class"]),
         str(of["labelled_without"])]
        for name, of in found.items()
        if name.startswith("from ")
    ]  # fmt: skip
    heads = ["probability", "labelled", "right", "judged photos", "labelled, of no class"]
    lines = [
        f"## Labels: {found['collection']}, {found['photos']:,} photos",
        "",
        measured_on(found),
        "",
        f"`python -m benchmarks labels --photos {found['collection']}`: the likeliest label is "
        "right if the photo's tag is its name, or lies above it in WordNet. The tags of "
        f"{found['photos_with_a_class']:,} photos stand for classes; labels of the others are "
        "counted in the last column. They are the nearest classes, and mostly wrong by name.",
        "",
        *table(heads, rows),
        "",
    ]
    return "\n".join(lines)


def _worth(told: dict[str, Any] | None) -> list[str]:
    if told is None:
        return ["null", "", ""]
    names = ("brier", "base_rate_brier", "expected_error")
    return [f"{told[name]:.3f}" for name in names]
