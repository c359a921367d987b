"""Read the labels that a service published, and change them."""

from shared.clients import indexer, query
from shared.contracts.labels import AcceptLabelsRequest, LabelsQuery
from shared.snapshots.labels import LabelsFile
from shared.snapshots.store import SnapshotStore


def manifest(service):
    return SnapshotStore(service.data).current()


def published(service):
    """The classes and probabilities that the snapshot has of each image, by its ordinal."""
    labels = manifest(service).labels
    found = {}
    for file in labels.files:
        opened = LabelsFile(service.data / "segments" / file.name)
        rows = zip(opened.ordinals.tolist(), opened.classes, opened.probabilities, strict=True)
        found |= {ordinal: (ids, chances) for ordinal, ids, chances in rows}
    return found


def stored_features(service, image_id):
    parts = service.parts
    visual = manifest(service).visual.fingerprint
    ordinal = parts.images.ordinal(image_id)
    with parts.images.view() as view:
        where = view.features(visual)
    return ordinal, parts.publisher.labels._features.read(visual, where[where.ordinals == ordinal])


def complete(service):
    """Every live image of the snapshot has labels."""
    shown = service.ask(query.list_labels(LabelsQuery(least=0.01)))
    return shown.labelled == shown.images > 0


def without_labels(service):
    """Turns the current snapshot into one of a version before labels."""
    store = SnapshotStore(service.data)
    old = store.current().model_copy(update={"labels": None})
    store.keep(old.number, old.model_dump_json(exclude={"labels"}).encode())


def strongest(service, image_id):
    return service.ask(query.get_image(image_id)).labels[0]


def accept(service, **asked):
    job = service.send(indexer.accept_labels(AcceptLabelsRequest(**asked)))
    return service.succeeded(job)
