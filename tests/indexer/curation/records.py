"""Read what a service has of its images and its trash."""

from shared.clients import browsing, curation, indexer


def record(service, image_id):
    """What is known of an image, but for when it was looked at."""
    image = service.send(indexer.get_image(image_id))
    return image.model_copy(update={"undo": None})


def trashed(service) -> list[str]:
    return [one.id for one in service.send(curation.list_trash()).images]


def listed(service) -> set[str]:
    return {one.id for one in service.ask(browsing.list_images()).images}
