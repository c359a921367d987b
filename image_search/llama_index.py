"""Retriever for LlamaIndex (extra `llama-index`)."""

from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from image_search.client import Client
from image_search.retrieval import metadata_of, retrieve, text_of


class ImageSearchRetriever(BaseRetriever):
    """Retriever of images by a term: `ImageSearchRetriever(Client()).retrieve("dog")`."""

    def __init__(self, client: Client, limit: int = 10, **options: Any) -> None:
        """Search with `client`. options: further fields of a search, such as `filter`."""
        super().__init__()
        self._client = client
        self._limit = limit
        self._options = options

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [
            NodeWithScore(
                node=TextNode(id_=hit.id, text=text_of(hit), metadata=metadata_of(hit)),
                score=hit.score,
            )
            for hit in retrieve(self._client, query_bundle.query_str, self._limit, self._options)
        ]
