"""Comparison of the embedder's models with those of the index."""

from shared.clients import embedder, query
from shared.clients.transport import Client
from shared.contracts.embedder import Models
from shared.contracts.stats import Stats
from shared.core.errors import ISEError


def warning(embedding: Client, searching: Client) -> str | None:
    """A sentence where the models don't fit the index, or where that can't be told."""
    try:
        return misfit(embedding.send(embedder.models()), searching.send(query.stats()))
    except ISEError as error:
        return f"Whether the embedder's models fit the index can't be told: {error.detail}"


def misfit(hosted: Models, held: Stats) -> str | None:
    """Return a sentence on models that don't fit the index and the ways out; None: they fit."""
    if not held.images:
        return None
    if held.model != hosted.visual.fingerprint:
        return (
            f"The index is made with {held.model}, but the embedder hosts "
            f"{hosted.visual.fingerprint}: put the former model back, or run `ise build`, which "
            "embeds every image anew. Until then a search by picture is refused."
        )
    if held.network is not None and held.network not in hosted.networks:
        return (
            f"The matching network {held.network} was trained on other models than the embedder "
            "hosts: put the former ones back, or run `ise train-matching`. Until then only terms "
            "that images carry can be searched."
        )
    return None
