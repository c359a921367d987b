"""What every answer tells a browser; and that no other origin is let in."""

import pytest

from shared.web.headers import DEFAULTS


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/health", {}),
        ("GET", "/metrics", {}),
        ("GET", "/openapi.json", {}),
        ("GET", "/docs/static/swagger-ui.css", {}),
        ("GET", "/nowhere", {"Authorization": "Bearer k"}),
        ("GET", "/v1/shut", {}),
        ("POST", "/v1/shut", {"Origin": "http://elsewhere.example"}),
        ("GET", "/v1/shut", {"Host": "elsewhere.example"}),
        ("GET", "/v1/broken", {"Authorization": "Bearer k"}),
    ],
)
def test_each_answer_is_fenced_whatever_it_is(service, ask, method, path, headers):
    app = service(api_key="k")

    @app.get("/v1/broken")
    def broken() -> None:
        raise ZeroDivisionError

    answer = ask(app, method, path, headers=headers)
    for name, value in DEFAULTS.items():
        assert answer.headers.get_list(name) == [value], name


def test_the_documentation_runs_only_its_own_files(service, ask):
    app = service()
    page = ask(app, "GET", "/docs")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script>" not in page.text
    assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "http://localhost:8080"])
@pytest.mark.parametrize("path", ["/v1/thing", "/health", "/openapi.json", "/nowhere"])
def test_no_other_origin_may_read_an_answer(service, ask, origin, path):
    app = service()

    @app.get("/v1/thing")
    def read() -> str:
        return "read"

    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    for method, headers in (("GET", {}), ("OPTIONS", asked)):
        answer = ask(app, method, path, headers={"Origin": origin} | headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        if method == "OPTIONS":
            assert answer.status_code in (404, 405)
