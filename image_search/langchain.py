"""Retriever for LangChain (extra `langchain`)."""

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from image_search.client import Client
from image_search.retrieval import metadata_of, retrieve, text_of


class ImageSearchRetriever(BaseRetriever):
    """Retriever of images by a term: `ImageSearchRetriever(client=Client()).invoke("dog")`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    client: Client
    limit: int = 10
    options: dict[str, Any] = Field(default_factory=dict)
    """Further fields of a search, such as `filter` and `min_probability`."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [
            Document(id=hit.id, page_content=text_of(hit), metadata=metadata_of(hit))
            for hit in retrieve(self.client, query, self.limit, self.options)
        ]
