"""Comparison of the embedder's models with those of the index."""

from shared.clients import embedder, query
from shared.clients.transport import Client
from shared.contracts.embedder import ImageModel, Models
from shared.contracts.stats import Stats
from shared.core.errors import ISEError


def warning(embedding: Client, searching: Client) -> str | None:
    """Return a warning if the models don't match the index, or if that is unknown."""
    try:
        return misfit(embedding.send(embedder.list_models()), searching.send(query.get_stats()))
    except ISEError as error:
        return f"Can't check whether the embedder's models match the index: {error.detail}"


def speed_of(model: ImageModel) -> str:
    """Return a sentence on the engine of a model, its speed, and the machine's limit."""
    begin = f"{model.architecture} runs on {model.engine}"
    if (speed := model.speed) is None:
        return f"{begin}; its speed isn't measured yet."
    return (
        f"{begin}: {speed.images_per_second:g} images per second, {speed.share:.0%} of the "
        f"{speed.limit:g} that a matrix product of its processor allows."
    )


def misfit(hosted: Models, held: Stats) -> str | None:
    """Return a sentence on models that don't fit the index and the ways out; None: they fit."""
    if not held.images:
        return None
    if held.model != hosted.visual.fingerprint:
        return (
            f"The index was made with {held.model}, but the embedder hosts "
            f"{hosted.visual.fingerprint}: restore the former model, or run `ise "
            "build` to re-embed every image. Until then, searches by picture are "
            "refused."
        )
    if held.network is not None and held.network not in hosted.networks:
        return (
            f"The matching network {held.network} was trained on other models than "
            "the embedder hosts: restore the former models, or run `ise "
            "train-matching`. Until then, only tags of images can be searched."
        )
    return None
