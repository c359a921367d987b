"""Pictures by URL: only from where the settings say, and never from within the network."""

import asyncio
import base64
import socket

import httpx
import pytest

from shared.core.errors import BadImage, Forbidden, TooLarge
from shared.media.fetching import Fetcher, is_public

PUBLIC = "93.184.216.34"


def sent(data):
    async def chunks():
        yield data

    return httpx.Response(200, content=chunks())


class Internet:
    """Names with addresses, and a server that notes how it was asked."""

    def __init__(self, answers=None, addresses=None):
        self.answers = answers or {}
        self.addresses = addresses or {}
        self.requests = []
        self.looked_up = []

    async def resolve(self, host, port):
        self.looked_up.append(host)
        found = self.addresses.get(host, [PUBLIC])
        # A name that has another address at each look-up.
        return found.pop(0) if isinstance(found[0], list) else found

    def answer(self, request):
        self.requests.append(request)
        url = f"{request.url.scheme}://{request.headers['Host']}{request.url.raw_path.decode()}"
        return self.answers.get(url) or sent(b"picture")

    def get(self, url, hosts=("pictures.example",), max_bytes=100, seconds=5):
        transport = httpx.MockTransport(self.answer)
        fetcher = Fetcher(hosts, max_bytes, seconds, self.resolve, transport)
        return asyncio.run(fetcher.get(url))


def moved(to):
    return httpx.Response(302, headers={"Location": to})


def test_the_address_that_was_checked_is_the_one_that_is_asked_by_the_hosts_name():
    internet = Internet()
    assert internet.get("https://pictures.example/a/b.jpg?c=d") == b"picture"
    request = internet.requests[0]
    assert str(request.url) == f"https://{PUBLIC}/a/b.jpg?c=d"
    assert request.headers["Host"] == "pictures.example"
    assert request.extensions["sni_hostname"] == "pictures.example"
    assert "cookie" not in request.headers
    assert internet.looked_up == ["pictures.example"]


def test_a_name_is_looked_up_once_so_that_it_can_not_lead_elsewhere():
    internet = Internet(addresses={"pictures.example": [[PUBLIC], ["127.0.0.1"]]})
    internet.get("http://pictures.example/")
    assert internet.requests[0].url.host == PUBLIC


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:db8::1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "fec0::1",
        "64:ff9b:1::7f00:1",
        "5f00::1",
        "192.0.0.8",
        "198.18.0.1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address):
    assert not is_public(address)
    internet = Internet(addresses={"pictures.example": [address]})
    with pytest.raises(Forbidden, match="isn't public"):
        internet.get("http://pictures.example/")
    mixed = Internet(addresses={"pictures.example": [PUBLIC, address]})
    with pytest.raises(Forbidden, match="isn't public"):
        mixed.get("http://pictures.example/")
    assert not internet.requests
    assert not mixed.requests


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", "8.8.8.8"])
def test_a_public_address_is_one(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0/",
    ],
)
def test_this_machine_is_not_asked_even_where_every_host_may_be(url):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        fetcher = Fetcher(["*", f"{httpx.URL(url).host}:{port}"], 100, 5)
        with pytest.raises((Forbidden, BadImage)):
            asyncio.run(fetcher.get(url.removesuffix("/") + f":{port}/"))
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/",
        "http://pictures.example.evil.example/",
        "http://evilpictures.example/",
        "http://pictures.example:8080/",
        "http://user:password@pictures.example/",
        "http://pictures.example@other.example/",
        "file:///etc/passwd",
        "ftp://pictures.example/",
        "//pictures.example/",
        "pictures.example",
    ],
)
def test_only_named_hosts_are_asked(url):
    internet = Internet()
    with pytest.raises(Forbidden):
        internet.get(url)
    assert not internet.requests


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (["PICTURES.example"], "http://Pictures.Example/"),
        (["pictures.example:8080"], "http://pictures.example:8080/"),
        (["*.example"], "https://a.b.example/"),
        (["*"], "https://any.where/"),
    ],
)
def test_hosts_are_named_in_several_ways(hosts, url):
    assert Internet().get(url, hosts) == b"picture"


def test_each_redirect_is_checked_again():
    start, inner = "http://pictures.example/", "http://inner.example/"
    answers = {start: moved("/a"), "http://pictures.example/a": moved("//cdn.example/b")}
    internet = Internet(answers)
    assert internet.get(start, ["*.example"]) == b"picture"
    assert internet.looked_up == ["pictures.example", "pictures.example", "cdn.example"]
    for target in ("http://other.host/", inner, "file:///etc/passwd", "http://10.0.0.1/"):
        internet = Internet({start: moved(target)}, {"inner.example": ["10.0.0.1"]})
        with pytest.raises(Forbidden):
            internet.get(start, ["*.example"])
        assert len(internet.requests) == 1


@pytest.mark.parametrize("status", [300, 302, 304])
def test_a_redirect_to_nowhere_is_no_picture(status):
    start = "http://pictures.example/"
    with pytest.raises(BadImage, match=f"{status}"):
        Internet({start: httpx.Response(status)}).get(start)


def test_redirects_come_to_an_end():
    start = "http://pictures.example/"
    internet = Internet({start: moved(start)})
    with pytest.raises(BadImage, match="redirects"):
        internet.get(start)
    assert len(internet.requests) == 4


def test_what_is_over_the_limit_is_not_read_to_its_end():
    read = []

    async def endless():
        while True:
            read.append(1)
            yield b"x" * 60

    url = "http://pictures.example/"
    internet = Internet({url: httpx.Response(200, content=endless())})
    with pytest.raises(TooLarge):
        internet.get(url)
    assert len(read) == 2


def test_a_server_that_takes_its_time_is_given_up():
    async def never():
        await asyncio.sleep(3600)
        yield b""

    url = "http://pictures.example/"
    internet = Internet({url: httpx.Response(200, content=never())})
    with pytest.raises(BadImage, match="ISE_FETCH_SECONDS"):
        internet.get(url, seconds=0.1)


def test_an_answer_that_is_no_file_is_told():
    url = "http://pictures.example/"
    with pytest.raises(BadImage, match="answered 404"):
        Internet({url: httpx.Response(404)}).get(url)


def test_fetching_is_off_by_default(filled):
    for body in (
        {"image_url": "http://pictures.example/"},
        {"parts": [{"image_url": "http://pictures.example/"}, {"id": "img-001"}]},
    ):
        response = filled.send("POST", "/v1/search", json=body)
        assert (response.status_code, response.json()["type"]) == (403, "urn:ise:problem:forbidden")
        assert "ISE_FETCH_HOSTS" in response.json()["detail"]


def test_a_picture_by_url_is_searched_as_the_picture_itself(filled, serve):
    url = "http://pictures.example/x.jpg"
    internet = Internet()

    def answer(request):
        internet.requests.append(request)
        return sent(b"img-009")

    transport = httpx.MockTransport(answer)
    fetcher = Fetcher(["pictures.example"], 100, 5, internet.resolve, transport)
    service = serve(filled.library, filled.models, fetcher=fetcher)
    by_bytes = service.search(image=base64.b64encode(b"img-009").decode())
    assert service.search(image_url=url)["hits"] == by_bytes["hits"]
    searches = [{"image_url": url}, {"image_url": url, "limit": 1}]
    before = len(internet.requests)
    response = service.send("POST", "/v1/search/batch", json={"searches": searches})
    assert all(found["answer"]["hits"] for found in response.json()["answers"])
    assert len(internet.requests) == before + 1
