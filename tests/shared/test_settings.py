import pytest

from shared.errors import Misconfigured
from shared.settings import ServiceSettings, Settings


def test_the_environment_stands_before_the_file_and_that_before_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ISE_QUERY_PORT=9000\nISE_INDEXER_PORT=9001\nISE_OTHER=1\n")
    monkeypatch.setenv("ISE_QUERY_PORT", "9100")
    monkeypatch.setenv("EMBEDDER_PORT", "1")
    settings = Settings()
    assert (settings.query_port, settings.indexer_port, settings.embedder_port) == (
        9100,
        9001,
        8002,
    )


def test_a_url_is_as_set_or_else_on_loopback_at_the_port():
    settings = Settings(_env_file=None, query_url="http://q.example/x/", indexer_port=7)
    assert settings.url_of("query") == "http://q.example/x"
    assert settings.url_of("indexer") == "http://127.0.0.1:7"


def test_the_key_is_not_shown():
    settings = Settings(_env_file=None, api_key="hidden-key")
    assert "hidden-key" not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_needs_no_key(host):
    ServiceSettings(_env_file=None, host=host).check_bind()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "", "0", "example.org"])  # noqa: S104
def test_others_are_let_in_with_a_key_or_on_purpose_only(host):
    ServiceSettings(_env_file=None, host=host, api_key="k").check_bind()
    ServiceSettings(_env_file=None, host=host, allow_open=True).check_bind()
    for key in (None, ""):
        with pytest.raises(Misconfigured, match="ISE_API_KEY"):
            ServiceSettings(_env_file=None, host=host, api_key=key).check_bind()
