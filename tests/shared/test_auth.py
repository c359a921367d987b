import pytest
from fastapi import FastAPI

KEY = "correct horse"


@pytest.fixture
def app(service) -> FastAPI:
    app = service(api_key=KEY, open_paths=("/", "/page/x.js"))

    @app.get("/v1/secret")
    def secret() -> str:
        return "treasure"

    @app.get("/page/x.js")
    def page() -> str:
        return "page"

    return app


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer  "])
def test_the_key_opens(app, ask, scheme):
    response = ask(app, "GET", "/v1/secret", headers={"Authorization": scheme + KEY})
    assert response.json() == "treasure"


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", "Bearer correct", f"Bearer {KEY}x", f"Basic {KEY}", KEY, "é"],
)
def test_any_other_header_is_refused_as_a_problem_that_says_how(app, ask, given):
    headers = {} if given is None else {"Authorization": given.encode()}
    response = ask(app, "GET", "/v1/secret", headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Authorization: Bearer" in response.json()["detail"]
    assert "treasure" not in response.text


@pytest.mark.parametrize(
    "path",
    ["/health", "/ready", "/metrics", "/docs", "/openapi.json", "/docs/static/swagger-ui.css"],
)
def test_operations_and_documentation_need_no_key(app, ask, path):
    assert ask(app, "GET", path).status_code == 200


def test_a_service_names_more_open_paths_and_what_is_below_them_stays_shut(app, ask):
    assert ask(app, "GET", "/page/x.js").json() == "page"
    assert ask(app, "GET", "/").status_code == 404
    assert ask(app, "GET", "/page/y.js").status_code == 401


@pytest.mark.parametrize("path", ["/docs/../v1/secret", "/health/../v1/secret", "//v1/secret"])
def test_no_path_leads_around_the_key(app, ask, path):
    response = ask(app, "GET", path)
    assert response.status_code in (401, 404)
    assert response.text != '"treasure"'


@pytest.mark.parametrize("path", ["/nowhere", "/v1/secret/"])
def test_without_a_key_nothing_is_said_of_which_paths_there_are(app, ask, path):
    assert ask(app, "GET", path).status_code == 401


@pytest.mark.parametrize("key", [None, ""])
def test_where_no_key_is_set_none_is_asked_for(service, ask, key):
    app = service(api_key=key)

    @app.get("/v1/thing")
    def thing() -> int:
        return 1

    assert ask(app, "GET", "/v1/thing").json() == 1
