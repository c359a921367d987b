"""One collection of Milvus: the vectors of one space, as one build made it.

    ordinal   INT64, primary key   the catalogue's number of the image
    cosine    FLOAT_VECTOR         the stored vector, indexed for the cosine
    l2        FLOAT_VECTOR         the same, indexed for L2: an index of Milvus knows one metric
    terms     ARRAY of VARCHAR     what filters ask for, see `terms.py`

Before version 2.4, a collection of Milvus has one vector field: there, the vectors for L2 are in a
second collection beside it, named `..._l2`, with the same ordinals and terms.

Its description and its properties say what it is made of, so that a collection of another model is
never searched.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.errors import FingerprintMismatch
from shared.engines.milvus import terms
from shared.engines.milvus.server import SECONDS, Milvus, NotLoaded

ORDINAL = "ordinal"
MOST = 16_384
"""Hits of one search, at most."""

_MADE_OF = "ise"
_BESIDE = f"_{Metric.L2.value}"
# With codes of one bit, this multiple of the hits is compared again with codes of 8 bits.
_REFINE = {"refine": True, "refine_type": "SQ8"}
_REFINED = 4
_INSERTED_BYTES = 2**24
_FETCHED_BYTES = 2**24
_SEEN = "Bounded"
"""Consistency of a search: of what was written in the last seconds it may see nothing.

With `Strong` it waits until Milvus has noted the time of the search, which it does five times a
second; `settle` waits for that once, after a change.
"""


TermsOf = Callable[[int], list[str]]
"""The terms of an image, by its ordinal."""


@dataclass(frozen=True)
class Found:
    """ordinals: int64 (n,). vectors: float32 (n, dim)."""

    ordinals: NDArray[np.int64]
    vectors: NDArray[np.float32]


def name_of(collection: str) -> str:
    """Return the name of a space's collection, also of the second one that it has."""
    return collection.removesuffix(_BESIDE)


class MilvusCollection:
    """A collection by its name, or the pair of them that an older Milvus needs."""

    def __init__(self, milvus: Milvus, name: str, dim: int, is_refined: bool = False) -> None:
        """is_refined: whether its index keeps codes of a bit, and better ones beside them."""
        self._milvus = milvus
        self.is_refined = is_refined
        self.name = name
        self.dim = dim

    def create(self, made_of: dict[str, Any]) -> None:
        """Makes it, empty. `made_of`: what `check` compares later."""
        from pymilvus import DataType

        told = json.dumps(made_of, sort_keys=True)
        for name, metrics in self._parts().items():
            with self._milvus.asked() as client:
                schema = client.create_schema(auto_id=False, description=told)
                schema.add_field(ORDINAL, DataType.INT64, is_primary=True)
                for metric in metrics:
                    schema.add_field(metric.value, DataType.FLOAT_VECTOR, dim=self.dim)
                schema.add_field(
                    terms.FIELD,
                    DataType.ARRAY,
                    element_type=DataType.VARCHAR,
                    max_capacity=terms.MOST,
                    max_length=terms.LENGTH,
                )
                client.create_collection(
                    name,
                    schema=schema,
                    properties={_MADE_OF: told},
                    consistency_level="Strong",
                    timeout=SECONDS,
                )

    def check(self, fingerprint: str) -> None:
        """Raises FingerprintMismatch where it is of another model."""
        with self._milvus.asked() as client:
            told = client.describe_collection(self.name, timeout=SECONDS)
        made_of = json.loads(told.get("description") or told["properties"].get(_MADE_OF) or "{}")
        if made_of.get("fingerprint") != fingerprint:
            raise FingerprintMismatch(
                f"The snapshot is of {fingerprint}, but Milvus's collection {self.name} "
                f"of {made_of.get('fingerprint', 'nothing that it tells')}. `ise build` "
                "rebuilds it from the stored features.",
                index=fingerprint,
                collection=made_of.get("fingerprint"),
            )

    def exists(self) -> bool:
        """Return whether Milvus has the collection."""
        names = self._parts()
        with self._milvus.asked() as client:
            return all(client.has_collection(name, timeout=SECONDS) for name in names)

    def count(self) -> int:
        """How many images it has, each as often as it is there."""
        rows = self._read(
            self.name,
            lambda client: client.query(
                self.name, filter="", output_fields=["count(*)"], timeout=SECONDS
            ),
        )
        return int(rows[0]["count(*)"])

    def put(
        self,
        ordinals: NDArray[np.int64],
        vectors: NDArray[np.float32],
        terms_of: TermsOf,
        is_new: bool = False,
    ) -> None:
        """Adds rows, or replaces them. is_new: whether none of them can be there already."""
        step = max(1, _INSERTED_BYTES // (8 * self.dim))
        parts = self._parts()
        with self._milvus.asked() as client:
            for start in range(0, len(ordinals), step):
                numbers = ordinals[start : start + step].tolist()
                for name, metrics in parts.items():
                    rows = [
                        {
                            ORDINAL: number,
                            **dict.fromkeys(map(str, metrics), vector),
                            terms.FIELD: terms_of(number),
                        }
                        for number, vector in zip(
                            numbers, vectors[start : start + step], strict=True
                        )
                    ]
                    put = client.insert if is_new else client.upsert
                    put(name, rows, timeout=10 * SECONDS)

    def settle(self) -> None:
        """Wait until every search sees what was put."""
        for name in self._parts():
            self._read(name, partial(self._wait, name))

    def retag(self, ordinals: Sequence[int], terms_of: TermsOf) -> None:
        """New terms for images that are there."""
        if len(self._parts()) > 1:
            # An older Milvus changes whole rows only.
            for found in self.blocks(np.array(ordinals, np.int64)):
                self.put(found.ordinals, found.vectors, terms_of)
            return
        with self._milvus.asked() as client:
            for start in range(0, len(ordinals), MOST):
                rows = [
                    {ORDINAL: number, terms.FIELD: terms_of(number)}
                    for number in ordinals[start : start + MOST]
                ]
                client.upsert(self.name, rows, partial_update=True, timeout=10 * SECONDS)

    def index(self, index_type: str, clusters: int) -> None:
        """Builds the indexes over what was put, and takes it into memory. Raises Refused."""
        for name, metrics in self._parts().items():
            self._index(name, metrics, index_type, clusters)
        self.settle()

    def _index(self, name: str, metrics: Sequence[Metric], index_type: str, clusters: int) -> None:
        with self._milvus.asked() as client:
            client.flush(name, timeout=None)
            params = client.prepare_index_params()
            for metric in metrics:
                params.add_index(
                    field_name=metric.value,
                    index_name=metric.value,
                    index_type=index_type,
                    metric_type=metric.value.upper(),
                    params={"nlist": clusters} | (_REFINE if self.is_refined else {}),
                )
            there = client.list_indexes(name, timeout=SECONDS)
            if [self._kind(client, name, one) for one in there] == [index_type] * len(metrics):
                # A killed process had built them without recording it.
                client.load_collection(name, timeout=None)
                return
            if there:
                # They have an index type that this Milvus lacks. Milvus Lite drops all at once.
                client.release_collection(name, timeout=SECONDS)
                while there := client.list_indexes(name, timeout=SECONDS):
                    client.drop_index(name, there[0], timeout=SECONDS)
            client.create_index(name, params, timeout=None)
            client.load_collection(name, timeout=None)

    def release(self) -> None:
        """Has it on disk only; who searches it all the same waits until it is loaded again."""
        names = self._parts()
        with self._milvus.asked() as client:
            for name in names:
                client.release_collection(name, timeout=SECONDS)

    def call(self, alias: str) -> None:
        """Gives it a name that other tools find the current collection by."""
        with self._milvus.asked() as client:
            known = client.list_aliases(timeout=SECONDS).get("aliases", [])
            name = client.alter_alias if alias in known else client.create_alias
            name(self.name, alias, timeout=SECONDS)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        metric: Metric,
        nprobe: int,
        condition: str = "",
        with_vectors: bool = True,
    ) -> list[Found]:
        """The k nearest to each query within `nprobe` lists of each of Milvus's segments."""
        params = {"nprobe": nprobe} | ({"refine_k": _REFINED} if self.is_refined else {})
        name = self._part_of(metric)
        answers = self._read(
            name,
            lambda client: client.search(
                name,
                data=list(queries),
                limit=k,
                anns_field=metric.value,
                filter=condition,
                output_fields=[metric.value if with_vectors else ORDINAL],
                search_params={"metric_type": metric.value.upper(), "params": params},
                consistency_level=_SEEN,
                timeout=SECONDS,
            ),
        )
        return [self._found(hits, metric, with_vectors) for hits in answers]

    def fetch(self, ordinals: NDArray[np.int64]) -> Found:
        """The stored vectors of those of some images that are there, in no order."""
        step = max(1, _FETCHED_BYTES // (4 * self.dim))
        name = self._part_of(Metric.L2)
        rows: list[Any] = []
        for start in range(0, len(ordinals), step):
            wanted = ordinals[start : start + step].tolist()
            rows += self._read(name, partial(self._get, name, wanted))
        return Found(
            np.array([row[ORDINAL] for row in rows], np.int64),
            self._stacked([row[Metric.L2.value] for row in rows]),
        )

    def read(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """The stored vectors of those of some images that are there, in their order."""
        found = self.fetch(ordinals)
        order = np.argsort(found.ordinals)
        there = ordinals[np.isin(ordinals, found.ordinals)]
        return found.vectors[order[np.searchsorted(found.ordinals[order], there)]]

    def remove(self, ordinals: Sequence[int]) -> None:
        """Takes images out."""
        names = self._parts()
        with self._milvus.asked() as client:
            for start in range(0, len(ordinals), MOST):
                some = list(ordinals[start : start + MOST])
                for name in names:
                    client.delete(name, ids=some, timeout=SECONDS)

    def blocks(self, ordinals: NDArray[np.int64]) -> Iterator[Found]:
        """The stored vectors of some images, so many at a time that memory stays small."""
        step = max(1, _FETCHED_BYTES // (4 * self.dim))
        for start in range(0, len(ordinals), step):
            yield self.fetch(ordinals[start : start + step])

    def drop(self) -> None:
        """Removes it, where it is there."""
        names = self._parts()
        with self._milvus.asked() as client:
            for name in names:
                client.drop_collection(name, timeout=SECONDS)

    def _parts(self) -> dict[str, tuple[Metric, ...]]:
        """Collections by name, with the metrics whose vectors each holds."""
        if self._milvus.has_many_vectors():
            return {self.name: tuple(Metric)}
        return {self.name: (Metric.COSINE,), self.name + _BESIDE: (Metric.L2,)}

    def _part_of(self, metric: Metric) -> str:
        return next(name for name, metrics in self._parts().items() if metric in metrics)

    def _kind(self, client: Any, name: str, index: str) -> str | None:
        told = client.describe_index(name, index, timeout=SECONDS) or {}
        kind: str | None = told.get("index_type")
        return kind

    def _get(self, name: str, ids: list[int], client: Any) -> Any:
        return client.get(
            name,
            ids,
            output_fields=[Metric.L2.value],
            consistency_level=_SEEN,
            timeout=SECONDS,
        )

    def _wait(self, name: str, client: Any) -> Any:
        return client.get(
            name, [0], output_fields=[ORDINAL], consistency_level="Strong", timeout=SECONDS
        )

    def _read(self, name: str, ask: Callable[[Any], Any]) -> Any:
        try:
            with self._milvus.asked() as client:
                return ask(client)
        except NotLoaded:
            # Milvus was restarted, or the collection belongs to an older snapshot.
            with self._milvus.asked() as client:
                client.load_collection(name, timeout=None)
                return ask(client)

    def _found(self, hits: Any, metric: Metric, with_vectors: bool) -> Found:
        # Before 2.4, an answer doesn't say what its key is called.
        ordinals = np.array([hit.get(ORDINAL, hit.get("id")) for hit in hits], np.int64)
        rows = [hit["entity"][metric.value] for hit in hits] if with_vectors else []
        return Found(ordinals, self._stacked(rows))

    def _stacked(self, rows: list[Any]) -> NDArray[np.float32]:
        return np.array(rows, np.float32).reshape(len(rows), self.dim)
