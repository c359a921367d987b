import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.core.errors import Misconfigured
from shared.core.version import VERSION


def samples(text):
    return {
        (s.name, *sorted(s.labels.items())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def test_alive_even_when_it_can_not_serve(service, ask):
    app = service(not_ready=lambda: "The models are being loaded.")
    assert ask(app, "GET", "/health").json() == {"status": "alive", "version": VERSION}


def test_ready_says_why_not_until_it_is(service, ask):
    reasons = ["The models are being loaded.", None]
    app = service(not_ready=lambda: reasons.pop(0))
    red, green = ask(app, "GET", "/ready"), ask(app, "GET", "/ready")
    assert (red.status_code, red.headers["Retry-After"]) == (503, "2")
    assert red.headers["Content-Type"] == "application/problem+json"
    assert red.json()["detail"] == "The models are being loaded."
    assert (green.status_code, green.json()) == (200, {"status": "ready"})


def test_a_process_that_gives_up_says_why_as_its_last_words_alone(service, ask):
    app = service(not_ready=lambda: "There is no such file.")
    app.state.failure = Misconfigured("There is no such file.")
    answer = ask(app, "GET", "/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "It can't start, and is ending."


def test_metrics_count_by_the_template_of_a_route_and_never_by_what_was_asked(service, ask):
    app = service()

    @app.get("/things/{thing}")
    def thing(thing: int) -> int:
        return thing

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError

    for path in ("/things/1", "/things/2", "/things/x", "/broken", "/secret-path"):
        ask(app, "GET", path)
    text = ask(app, "GET", "/metrics").text
    counted = {
        (labels["route"], labels["status"]): value
        for (name, *pairs), value in samples(text).items()
        if name == "ise_requests_total" and (labels := dict(pairs))
    }
    assert counted == {
        ("/things/{thing}", "200"): 2,
        ("/things/{thing}", "422"): 1,
        ("/broken", "500"): 1,
        ("unmatched", "404"): 1,
    }
    assert "secret-path" not in text
    seconds = ("ise_request_seconds_count", ("route", "/things/{thing}"), ("service", "nothing"))
    assert samples(text)[seconds] == 3


def test_two_apps_of_one_process_count_apart(service, ask):
    one, other = service(), service()
    ask(one, "GET", "/health")
    assert "/health" not in ask(other, "GET", "/metrics").text


def test_the_documentation_fetches_nothing_from_elsewhere_and_all_it_names_is_served(service, ask):
    app = service()
    page = ask(app, "GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert not re.search(r"(https?:)?//(?!\s)[\w.-]+\.\w+", page.text)
    named = re.findall(r"""(?:href|src)=["']([^"']+)["']|url: '([^']+)'""", page.text)
    addresses = [next(filter(None, pair)) for pair in named]
    assert len(addresses) == 4
    for address in addresses:
        response = ask(app, "GET", f"/{address}")
        assert response.status_code == 200, address
        assert response.content


def test_the_stylesheet_of_the_documentation_fetches_nothing_either(service, ask):
    css = ask(service(), "GET", "/docs/static/swagger-ui.css").text
    fetched = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", css)
    assert [url for url in fetched if not url.startswith(("data:", "#"))] == []


@pytest.mark.parametrize("path", ["/docs/static/../docs.py", "/docs/static/%2e%2e/docs.py"])
def test_only_files_of_the_documentation_are_served(service, ask, path):
    assert ask(service(), "GET", path).status_code == 404


def test_operations_are_described_by_names_that_read_well(service, ask):
    paths = ask(service(), "GET", "/openapi.json").json()["paths"]
    assert {path: item["get"]["operationId"] for path, item in paths.items()} == {
        "/health": "get_health",
        "/ready": "get_readiness",
    }


@pytest.fixture
def things(service):
    """Paths as those of images: an id may have slashes, and some calls stand behind it."""
    app = service()
    app.patch("/things/{thing:path}/part")(lambda thing: "part")
    app.get("/things/{thing:path}")(lambda thing: "thing")
    app.delete("/things/{thing:path}")(lambda thing: "gone")
    return app


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("OPTIONS", "/things/a/b", "DELETE, GET, HEAD"),
        ("DELETE", "/things/a/part", "PATCH"),
        ("TRACE", "/things/a/part", "PATCH"),
        ("PUT", "/health", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_told_those_that_it_takes(
    things, ask, method, path, takes
):
    refused = ask(things, method, path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, takes)
    assert refused.json()["detail"] == f"This path takes {takes}."


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/things/a/b", "/openapi.json"])
def test_head_is_answered_as_get_without_its_body(things, ask, path):
    whole, head = ask(things, "GET", path), ask(things, "HEAD", path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == str(len(whole.content))


def test_head_is_refused_where_get_is(things, ask):
    assert ask(things, "HEAD", "/things/a/part").status_code == 405


def test_methods_that_a_path_takes_go_through(things, ask):
    asked = [("PATCH", "/things/a/part"), ("GET", "/things/a"), ("DELETE", "/things/a/b")]
    assert [ask(things, *one).json() for one in asked] == ["part", "thing", "gone"]
    assert ask(things, "GET", "/nowhere").status_code == 404
