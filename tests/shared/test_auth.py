import pytest
from fastapi import FastAPI

KEY = "correct horse"
LISTED = "a-key-of-the-file-0123"


@pytest.fixture
def app(service, tmp_path) -> FastAPI:
    file = tmp_path / "keys"
    file.write_text(f"listed read {LISTED}\n")
    app = service(api_key=KEY, api_keys_file=file, open_paths=("/", "/page/x.js"))

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


def test_so_does_one_of_the_file_until_it_is_taken_out(app, ask, tmp_path):
    headers = {"Authorization": f"Bearer {LISTED}"}
    assert ask(app, "GET", "/v1/secret", headers=headers).json() == "treasure"
    (tmp_path / "keys").write_text("")
    assert ask(app, "GET", "/v1/secret", headers=headers).status_code == 401
    assert ask(app, "GET", "/ready").json() == {"status": "ready"}


def test_a_broken_file_of_keys_is_told_by_ready(app, ask, tmp_path):
    (tmp_path / "keys").write_text("listed\n")
    headers = {"Authorization": f"Bearer {LISTED}"}
    assert ask(app, "GET", "/v1/secret", headers=headers).json() == "treasure"
    told = ask(app, "GET", "/ready")
    assert told.status_code == 200
    assert "ISE_API_KEYS_FILE" in told.json()["warning"]
    assert not any(text in told.text for text in (LISTED, "listed", str(tmp_path)))


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
