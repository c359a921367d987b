"""The client that others import, and the retrievers over it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from image_search import Client, InvalidInput, NotFound, Sort
from tests.e2e.engine import Engine


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    with Client(engine.group.url("query")) as opened:
        yield opened


def test_reads_what_a_collection_holds(client: Client) -> None:
    assert client.stats().images == 160
    first = client.images(Sort.NAME, limit=5)
    assert first.next is not None
    more = client.images(Sort.NAME, limit=5, cursor=first.next)
    assert not {one.id for one in first.images} & {one.id for one in more.images}
    one = client.image(first.images[0].id)
    assert one.uri == first.images[0].uri
    assert client.thumbnail(one.id).startswith(b"\xff\xd8")
    with pytest.raises(NotFound):
        client.image("none")


def test_searches_by_all_that_can_be_searched_by(client: Client, sample: Path) -> None:
    path = next(sample.parent.rglob("*.jpg"))
    by_path = client.search(image=path, limit=1).hits[0]
    assert client.search(image=path.read_bytes(), limit=1).hits[0].id == by_path.id
    assert client.search(id=by_path.id, limit=1).hits[0].id == by_path.id
    assert by_path.id not in [hit.id for hit in client.similar(by_path.id).hits]
    tag = by_path.tags[0]
    assert all(tag in hit.tags for hit in client.search(term=tag).hits)
    only = client.search(image=path, filter={"must": [{"tag": tag}]}, exact=True)
    assert all(tag in hit.tags for hit in only.hits)
    mixed = client.search(parts=[{"image": path}, {"term": tag, "weight": 0.5}])
    assert mixed.mode == "mixed"
    with pytest.raises(InvalidInput, match="exactly one"):
        client.search(image=path, term=tag)
    with pytest.raises(InvalidInput, match=r"none\.jpg can't be read: No such file"):
        client.search(image="none.jpg")


def test_a_change_is_taken_back_by_its_token(client: Client, sample: Path) -> None:
    picture = next(sample.parent.rglob("*.jpg"))
    (item,) = client.add(picture).items
    assert item.id is not None
    done = client.tag([item.id], "of-the-sdk")
    assert [hit.id for hit in client.search(term="of-the-sdk").hits] == [item.id]
    assert done.undo is not None
    client.undo(done.undo)
    assert "of-the-sdk" not in client.image(item.id).tags


def test_retrievers_give_documents_with_what_is_known(client: Client) -> None:
    # They take seconds to import, in each process that collects tests.
    from image_search.langchain import ImageSearchRetriever as LangChainRetriever
    from image_search.llama_index import ImageSearchRetriever as LlamaIndexRetriever

    tag = client.tags(limit=1).tags[0].tag
    wanted = [hit.id for hit in client.search(term=tag, limit=3).hits]
    documents = LangChainRetriever(client=client, limit=3).invoke(tag)
    assert [document.id for document in documents] == wanted
    assert all(tag in document.page_content for document in documents)
    nodes = LlamaIndexRetriever(client, limit=3).retrieve(tag)
    assert [node.node.node_id for node in nodes] == wanted
    assert nodes[0].score == pytest.approx(documents[0].metadata["score"])
