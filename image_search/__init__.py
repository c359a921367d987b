"""Python client of the Image Search Engine.

from image_search import Client

with Client() as engine:
    for hit in engine.search(term="dog").hits:
        print(hit.uri, hit.probability)
"""

from image_search.client import Client
from shared.contracts.answer import Hit, SearchResponse
from shared.contracts.browsing import Images, Sort
from shared.contracts.curation import Changed, Undone
from shared.contracts.filters import Filter
from shared.contracts.images import Added, Deleted, Image
from shared.contracts.jobs import Job
from shared.contracts.query import ImageInfo, Tags
from shared.contracts.stats import Stats
from shared.core.errors import Conflict, InvalidInput, ISEError, NotFound, Unavailable
from shared.core.version import VERSION

__all__ = [
    "Added",
    "Changed",
    "Client",
    "Conflict",
    "Deleted",
    "Filter",
    "Hit",
    "ISEError",
    "Image",
    "ImageInfo",
    "Images",
    "InvalidInput",
    "Job",
    "NotFound",
    "SearchResponse",
    "Sort",
    "Stats",
    "Tags",
    "Unavailable",
    "Undone",
    "__version__",
]

__version__ = VERSION
