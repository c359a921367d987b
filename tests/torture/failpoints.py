"""Every failpoint, beside what a client does to reach it."""

from shared.core.failpoints import FILE_STEPS

# By action of `World`: the files that it writes.
_FILES = {
    "add": ("upload", "features", "sum", "segment-visual", "segment-items", "manifest", "current"),
    "add_tagged": ("segment-tags", "segment-joint"),
    "begin": ("canary",),
    "ingest": ("features", "manifest", "current"),
    "transform": ("segment-transform",),
    "build": ("segment-visual", "segment-joint", "segment-items", "segment-tags"),
    "compact": ("segment-visual", "segment-joint", "manifest", "current"),
    "activate": ("manifest", "current"),
    "train": (
        "training-set",
        "training-tags",
        "network-terms",
        "network-report",
        "network",
        "network-current",
    ),
    "thumbnail": ("thumbnail",),
    "delete": ("tombstones-file",),
}
# And the other steps.
_STEPS = {
    "add": (
        "catalogue.begin",
        "catalogue.commit",
        "catalogue.committed",
        "addition.kept",
        "addition.recorded",
        "publish.begin",
        "publish.done",
        "retention.begin",
        "retention.manifest",
        "retention.segment",
        "retention.done",
    ),
    "delete": (
        "tombstones.begin",
        "tombstones.written",
        "tombstones.synced",
        "tombstones.counted",
        "tombstones.durable",
        "catalogue.commit",
        "catalogue.committed",
        "delete.buried",
        "delete.file",
        "delete.done",
    ),
    "ingest": ("ingest.stored", "ingest.recorded", "catalogue.commit", "catalogue.committed"),
    "sync": ("tombstones.synced", "delete.buried", "catalogue.commit", "delete.done"),
    "compact": ("compaction.merged", "publish.begin", "publish.done"),
    "train": ("training.trained", "training.kept", "publish.done"),
    "activate": ("rollback.begin", "publish.done", "retention.done"),
    "retag": ("catalogue.commit", "catalogue.committed", "publish.begin", "publish.done"),
}

_REACHED = {
    act: {*_STEPS.get(act, ()), *(f"{file}.{step}" for file in files for step in FILE_STEPS)}
    for act, files in (dict.fromkeys(_STEPS, ()) | _FILES).items()
}

# What can fail on a full disk; the rest of the steps write nothing.
_WRITES = {"begin", "written", "synced", "counted", "renamed", "commit"}
_NO_WRITES = {"publish.begin", "retention.begin", "rollback.begin"}

ALL = sorted((name, act) for act, names in _REACHED.items() for name in names)
"""(failpoint, action) pairs."""

FULL = [(n, act) for n, act in ALL if n.split(".")[1] in _WRITES and n not in _NO_WRITES]
