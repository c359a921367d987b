"""Server of Milvus Lite: `python -m shared.engines.milvus.lite --data-dir F --port N`.

Milvus Lite 3.2 takes no notice of the `nlist` that pymilvus 3.0 sends, nor of a search's `nprobe`:
it makes 128 lists and probes 10 of them whatever is asked, so that nothing could be searched
exactly. Here both numbers reach the place where its index looks for them: `nprobe` travels with
the number of hits, the one argument of a request that its index is given.
"""

import argparse
from typing import Any, Self

from milvus_lite.adapter.grpc import server, servicer
from milvus_lite.index.faiss_ivf_flat import FaissIvfFlatIndex
from milvus_lite.index.faiss_ivf_sq8 import FaissIvfSq8Index


class _Hits(int):
    """Number of hits that a search asks for, with the number of lists to probe for them."""

    nprobe: int | None = None

    @classmethod
    def of(cls, count: int, nprobe: int | None) -> Self:
        hits = cls(count)
        hits.nprobe = nprobe
        return hits

    def __add__(self, offset: int) -> "_Hits":
        return _Hits.of(int(self) + offset, self.nprobe)


def heed_parameters() -> None:
    """Has this process's Milvus Lite make and probe as many lists as it is asked to."""
    parse = servicer.parse_search_request
    indexed = servicer.kv_pairs_to_index_params_dict

    def parsing(*given: Any, **named: Any) -> dict[str, Any]:
        parsed: dict[str, Any] = parse(*given, **named)
        nprobe = (parsed["search_params"] or {}).get("nprobe")
        return {**parsed, "top_k": _Hits.of(parsed["top_k"], nprobe)}

    def indexing(pairs: Any) -> dict[str, Any]:
        read: dict[str, Any] = indexed(pairs)
        loose = {pair.key: int(pair.value) for pair in pairs if pair.key == "nlist"}
        return {**read, "params": {**loose, **read["params"]}}

    servicer.parse_search_request = parsing
    servicer.kv_pairs_to_index_params_dict = indexing
    for index in (FaissIvfFlatIndex, FaissIvfSq8Index):
        index.search = _probing(index.search)


def _probing(search: Any) -> Any:
    def probing(index: Any, queries: Any, hits: int, **named: Any) -> Any:
        if isinstance(hits, _Hits) and hits.nprobe:
            named["params"] = {"nprobe": hits.nprobe}
        return search(index, queries, int(hits), **named)

    return probing


def main() -> None:
    asked = argparse.ArgumentParser(description="Milvus Lite's server.")
    asked.add_argument("--data-dir", required=True)
    asked.add_argument("--host", default="127.0.0.1")
    asked.add_argument("--port", type=int, required=True)
    given = asked.parse_args()
    heed_parameters()
    server.run_server(given.data_dir, given.host, given.port)


if __name__ == "__main__":
    main()
