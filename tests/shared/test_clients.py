import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from shared.clients import embedder, indexer, query
from shared.clients.transport import AsyncClient, Call, Client
from shared.contracts.embedder import TrainingProgress, TrainRequest
from shared.contracts.indexer import ImagePatch
from shared.core import errors, problem

ANY: Call[httpx.Response] = Call("GET", "/", lambda response: response)


def behind(answer: Callable[[httpx.Request], httpx.Response], key: str | None = None) -> Client:
    return Client("http://service/", key, httpx.MockTransport(answer))


@pytest.mark.parametrize("asynchronously", [False, True])
@pytest.mark.parametrize("way", ["send", "stream"])
def test_a_key_that_is_refused_between_services_is_no_fault_of_the_users(asynchronously, way):
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json=problem.body_of(errors.Unauthorized("Send the key.")))

    def ask(within: bool) -> None:
        if asynchronously:
            client = AsyncClient("http://e:1/x", "k", httpx.MockTransport(refuse), within=within)
            asyncio.run(ask_async(client))
            return
        client = Client("http://e:1/x", "k", httpx.MockTransport(refuse), within=within)
        if way == "send":
            client.send(ANY)
        else:
            with client.stream(ANY):
                pass

    async def ask_async(client: AsyncClient) -> None:
        if way == "send":
            await client.send(ANY)
        else:
            async with client.stream(ANY):
                pass

    with pytest.raises(errors.Unauthorized, match="Send the key"):
        ask(within=False)
    with pytest.raises(errors.Unavailable, match=r"http://e:1 refuses .* ISE_API_KEY differs"):
        ask(within=True)


def test_a_service_that_another_asks_by_a_wrong_name_is_no_fault_of_the_user():
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json=problem.body_of(errors.ForeignHost("Not my name.")))

    def ask(within: bool) -> None:
        Client("http://e:1", "k", httpx.MockTransport(refuse), within=within).send(ANY)

    with pytest.raises(errors.ForeignHost):
        ask(within=False)
    with pytest.raises(errors.Unavailable, match=r"http://e:1 .* ISE_ALLOWED_HOSTS"):
        ask(within=True)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def breaking_off(sent: bytes) -> Iterator[str]:
    """The address of a server that sends some bytes and hangs up."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(sent)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def send(address: str, asynchronously: bool, call: Call[httpx.Response]) -> httpx.Response:
    async def ask() -> httpx.Response:
        client = AsyncClient(address)
        try:
            return await client.send(call)
        finally:
            await client.close()

    if asynchronously:
        return asyncio.run(ask())
    with Client(address) as client:
        return client.send(call)


@pytest.mark.parametrize("slug", sorted(errors.tree()))
def test_a_bad_status_becomes_the_error_that_it_stands_for(slug):
    error = errors.tree()[slug]("What is wrong.", items=[1])
    body, status = problem.body_of(error), problem.status_of(error)
    with pytest.raises(errors.ISEError) as raised:
        behind(lambda _: httpx.Response(status, json=body)).send(ANY)
    assert type(raised.value) is type(error)
    assert (raised.value.detail, raised.value.extra) == ("What is wrong.", {"items": [1]})


@pytest.mark.parametrize("content", [b"<h1>Bad gateway</h1>", b"", b"\xff\xfe", b"[1]", b'"x"'])
def test_an_answer_that_is_no_problem_document_is_still_an_error_that_names_the_service(content):
    with pytest.raises(errors.Unavailable, match="http://service/ answered 503"):
        behind(lambda _: httpx.Response(503, content=content)).send(ANY)


def test_a_redirect_is_not_followed_with_the_key():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(302, headers={"Location": "http://elsewhere/"})

    with pytest.raises(errors.ISEError, match="302"):
        behind(answer, "key").send(ANY)
    assert seen == ["service"]


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"tags": 1}'])
def test_a_good_status_with_another_body_is_an_error_that_says_so(content):
    with pytest.raises(errors.ISEError, match="answered what is not a Tags"):
        behind(lambda _: httpx.Response(200, content=content)).send(query.list_tags())


@pytest.mark.parametrize("asynchronously", [False, True])
def test_nothing_listening_is_unavailable_with_a_way_out(closed, asynchronously):
    with pytest.raises(errors.Unavailable, match="Start the services with") as raised:
        send(closed, asynchronously, ANY)
    assert closed in raised.value.detail
    assert raised.value.extra["retry_after"] > 0


@pytest.mark.parametrize("asynchronously", [False, True])
def test_an_answer_that_does_not_come_in_time_is_unavailable(silent, asynchronously):
    call = Call("GET", "/", lambda response: response, timeout_s=0.05)
    with pytest.raises(errors.Unavailable, match="did not answer in time"):
        send(silent, asynchronously, call)


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"x\r\n"]
)
def test_an_answer_that_breaks_off_is_unavailable(sent):
    with breaking_off(sent) as address, pytest.raises(errors.Unavailable, match=address):
        send(address, False, ANY)


def test_an_address_without_a_scheme_is_said_to_have_none():
    with pytest.raises(errors.Unavailable, match="http://"):
        Client("localhost:8000").send(ANY)


@pytest.mark.parametrize(("key", "sent"), [(None, None), ("k", "Bearer k")])
def test_the_key_is_sent_where_there_is_one(key, sent):
    response = behind(lambda request: httpx.Response(200, request=request), key).send(ANY)
    assert response.request.headers.get("Authorization") == sent


ODD_IDS = ["a/b", "a?b=c", "a#b", "..", ".", "a b", "ü", "%2F", "a\\b", "a+b", "a&b"]


@pytest.mark.parametrize("image_id", ODD_IDS)
@pytest.mark.parametrize("call", [indexer.get_image_file, query.get_image, indexer.cancel_job])
def test_an_id_stays_one_part_of_the_path_whatever_its_characters(image_id, call):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(404)

    with pytest.raises(errors.NotFound):
        behind(answer).send(call(image_id))
    parts = seen[0].raw_path.decode().split("/")
    assert parts[1:3] in (["v1", "images"], ["v1", "jobs"])
    assert len(parts) == (5 if call is indexer.get_image_file else 4)
    assert httpx.URL(f"http://x/{parts[3]}").path == f"/{image_id}"
    assert seen[0].query == b""


def test_options_of_a_search_travel_by_every_way():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return httpx.Response(404)

    client = behind(answer)
    for call in (
        query.search_term("a b&c", limit=3, exact=True, nprobe=None),
        query.find_similar_images("x", limit=3, exact=True, nprobe=None),
        query.search_id("x", limit=3, exact=True, nprobe=None),
        query.search_image(b"data", limit=3, exact=True, nprobe=None),
    ):
        with pytest.raises(errors.NotFound):
            client.send(call)
    term, similar, by_id, image = seen
    assert dict(term.url.params) == {"term": "a b&c", "limit": "3", "exact": "true"}
    assert dict(similar.url.params) == {"limit": "3", "exact": "true"}
    assert json.loads(by_id.content) == {"id": "x", "limit": 3, "exact": True}
    assert b'name="exact"\r\n\r\ntrue\r\n' in image.content
    assert b"nprobe" not in image.content


def test_a_patch_sends_what_is_given_also_nulls_within_metadata():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.read()))
        return httpx.Response(404)

    for patch in (ImagePatch(metadata={"a": None}), ImagePatch(tags=[])):
        with pytest.raises(errors.NotFound):
            behind(answer).send(indexer.patch_image("x", patch))
    assert seen == [{"metadata": {"a": None}}, {"tags": []}]


def rows_answer(rows: np.ndarray, **headers: str) -> httpx.Response:
    given = {"X-ISE-Dim": str(rows.shape[1]), "X-ISE-Fingerprint": "f"} | headers
    return httpx.Response(200, content=rows.astype("<f4").tobytes(), headers=given)


def test_rows_of_features_come_bit_for_bit():
    wanted = np.array([[1.5, -0.0], [np.float32(1e-40), np.nan]], np.float32)
    rows = behind(lambda _: rows_answer(wanted)).send(embedder.embed_images([b"a", b"b"]))
    assert rows.fingerprint == "f"
    assert rows.vectors.dtype == np.float32
    assert rows.vectors.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    "answer",
    [
        rows_answer(np.ones((1, 2))),
        rows_answer(np.ones((3, 2))),
        rows_answer(np.ones((2, 2)), **{"X-ISE-Dim": "3"}),
        rows_answer(np.ones((2, 2)), **{"X-ISE-Dim": "x"}),
        httpx.Response(200, content=b"abc", headers={"X-ISE-Dim": "1", "X-ISE-Fingerprint": "f"}),
        httpx.Response(200, content=b""),
    ],
)
def test_rows_that_are_not_as_many_as_asked_for_or_not_readable_are_refused(answer):
    for call in (embedder.embed_images([b"a", b"b"]), embedder.embed_terms(["a", "b"])):
        with pytest.raises(errors.ISEError, match="can't be read"):
            behind(lambda _: answer).send(call)


def test_a_training_is_heard_of_line_by_line_and_its_refusal_is_an_error():
    lines = [TrainingProgress(epoch=n, epochs=2, loss=0.5).model_dump_json() for n in (1, 2)]
    request = TrainRequest(training_set="set")
    told = behind(lambda _: httpx.Response(200, content="\n\n".join(lines).encode()))
    assert [event.epoch for event in embedder.train(told, request)] == [1, 2]
    body = problem.body_of(errors.Overloaded("One at a time.", retry_after=10))
    refused = behind(lambda _: httpx.Response(429, json=body))
    with pytest.raises(errors.Overloaded, match="One at a time"):
        next(embedder.train(refused, request))
