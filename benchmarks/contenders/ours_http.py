"""This project's query service, asked over HTTP, on one connection a block."""

import http.client
import json
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import product
from benchmarks.contenders.contender import Contender, Place, Setting
from benchmarks.contenders.ours import Ours
from benchmarks.serving import query_service
from shared.cli.group import ServiceGroup


class ByVector(Contender):
    """Vectors come as JSON numbers."""

    name: ClassVar[str] = "ours-http"

    def __init__(self) -> None:
        self._group: ServiceGroup | None = None

    def build(self, place: Place) -> dict[str, Any]:
        """It serves what `ours` built."""
        return {}

    def open(self, place: Place) -> None:
        folder = place.folder(Ours.name)
        ours = Ours()
        ours.open(place)
        self._recalls = sorted({point.recall for point in ours.curve().by_reach})
        self._group, port = query_service(folder)
        self._http = http.client.HTTPConnection("127.0.0.1", port)

    def ladders(self) -> list[list[Setting]]:
        return [[{"recall_target": recall} for recall in self._recalls if recall > 0]]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        body = json.dumps({**self._asked(query), "limit": k, **setting})
        self._http.request("POST", "/v1/search", body, {"Content-Type": "application/json"})
        answer = self._http.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the query service answered {answer.status}: {text[:200]!r}")
        return np.array([int(hit["id"]) for hit in json.loads(text)["hits"]], np.int64)

    def wake(self) -> None:
        self._http.close()

    def close(self) -> None:
        if self._group is not None:
            self._group.stop()

    @staticmethod
    def _asked(query: Any) -> dict[str, Any]:
        return {"vector": query.tolist()}


class ById(ByVector):
    """The query is an indexed image, by its id."""

    name: ClassVar[str] = "ours-http-id"
    asks_rows: ClassVar[bool] = True

    @staticmethod
    def _asked(query: Any) -> dict[str, Any]:
        return {"id": product.row_id(int(query))}
