import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.embedder.config import EmbedderSettings
from services.indexer.config import IndexerSettings
from services.query.config import QuerySettings
from shared.core.errors import Misconfigured
from shared.core.settings import ServiceSettings, Settings, slips
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


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


def test_there_may_be_several_embedders():
    settings = Settings(_env_file=None, embedder_url="http://one:1, http://two:2/")
    assert settings.urls_of("embedder") == ["http://one:1", "http://two:2"]
    assert settings.url_of("embedder") == "http://one:1"
    assert settings.urls_of("query") == ["http://127.0.0.1:8000"]


def test_the_key_is_not_shown():
    settings = Settings(_env_file=None, api_key="hidden-key")
    assert "hidden-key" not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_needs_no_key(host):
    ServiceSettings(_env_file=None, host=host).check_bind()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "", "0", "example.org"])  # noqa: S104
def test_others_are_let_in_with_a_key_or_on_purpose_only(host):
    ServiceSettings(_env_file=None, host=host, api_key="k" * 16).check_bind()
    ServiceSettings(_env_file=None, host=host, allow_open=True).check_bind()
    for key in (None, ""):
        with pytest.raises(Misconfigured, match="ISE_API_KEY"):
            ServiceSettings(_env_file=None, host=host, api_key=key).check_bind()


def test_a_name_that_others_know_needs_a_key_as_well():
    """As behind a reverse proxy, from where everybody comes by loopback."""
    assert ServiceSettings(_env_file=None, allowed_hosts=["localhost", "127.0.0.1"]).is_local
    for hosts in (["pictures.example"], ["*"], ["localhost", "10.0.0.1"]):
        assert not ServiceSettings(_env_file=None, allowed_hosts=hosts).is_local
        ServiceSettings(_env_file=None, allowed_hosts=hosts, api_key="k" * 16).check_bind()
        ServiceSettings(_env_file=None, allowed_hosts=hosts, allow_open=True).check_bind()
        with pytest.raises(Misconfigured, match="ISE_ALLOWED_HOSTS lets"):
            ServiceSettings(_env_file=None, allowed_hosts=hosts).check_bind()


def test_a_file_of_keys_needs_the_key_that_services_ask_with(tmp_path):
    file = tmp_path / "keys"
    with pytest.raises(Misconfigured, match="needs ISE_API_KEY"):
        ServiceSettings(_env_file=None, api_keys_file=file).check_bind()
    ServiceSettings(_env_file=None, api_keys_file=file, api_key="k").check_bind()
    assert ServiceSettings(_env_file=None, api_keys_file="").api_keys_file is None


def test_a_home_is_found_where_no_shell_does_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / ".env").write_text("ISE_DATA_DIR=~/pictures\n")
    assert Settings().data_dir == Path("/home/me/pictures")
    with pytest.raises(ValidationError, match="home directory"):
        Settings(data_dir="~nosuchuser/x")


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_is_one(port):
    with pytest.raises(ValidationError):
        Settings(_env_file=None, query_port=port)


def test_a_typing_slip_is_told_of_wherever_it_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ISE_DATADIR=x\nISE_PICTURES=x\nWEIGHT=x\n")
    monkeypatch.setenv("ISE_WEIGHT", "x")
    monkeypatch.setenv("ise_query_port", "1")
    assert list(slips(EmbedderSettings)) == [
        "ISE_DATADIR is not a setting; did you mean ISE_DATA_DIR?",
        "ISE_WEIGHT is not a setting; did you mean ISE_WEIGHTS?",
    ]


@pytest.mark.parametrize(
    ("kind", "slip", "meant"),
    [
        (EmbedderSettings, "BACKBON", "BACKBONE"),
        (IndexerSettings, "INGEST_ROOT", "INGEST_ROOTS"),
        (QuerySettings, "RECAL_TARGET", "RECALL_TARGET"),
        (ServiceSettings, "DATA_DRI", "DATA_DIR"),
        (Settings, "QUERY_PROT", "QUERY_PORT"),
    ],
)
def test_each_process_knows_slips_of_its_own_settings(tmp_path, monkeypatch, kind, slip, meant):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"ISE_{slip}", "x")
    assert list(slips(kind)) == [f"ISE_{slip} is not a setting; did you mean ISE_{meant}?"]


def test_no_setting_of_one_service_is_a_slip_to_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kinds = (EmbedderSettings, IndexerSettings, QuerySettings)
    others = {"debug", "reference_data", "require_all", "query_memory", "embedder_memory"}
    for name in others.union(*(kind.model_fields for kind in kinds)):
        monkeypatch.setenv(f"ISE_{name.upper()}", "1")
    assert [slip for kind in kinds for slip in slips(kind)] == []


def ended(folder: Path, name: str = "query", **env: str) -> subprocess.CompletedProcess[str]:
    """A service that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", f"services.{name}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("key", ["s3cret\u00e9", " s3cret"])
def test_a_malformed_key_is_not_shown(tmp_path, key):
    done = ended(tmp_path, ISE_API_KEY=key)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ISE_API_KEY: ")
    assert "s3cret" not in done.stdout + done.stderr


def test_a_bad_port_is_shown(tmp_path):
    done = ended(tmp_path, ISE_QUERY_PORT="99999")
    assert done.returncode == 2
    assert done.stderr == "error: ISE_QUERY_PORT=99999: must be at most 65535.\n"


def test_a_list_that_is_no_json_is_one_sentence(tmp_path):
    done = ended(tmp_path, "indexer", ISE_INGEST_ROOTS="/pictures")
    assert done.returncode == 2
    assert "ingest_roots" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_broken_file_of_keys_is_one_sentence(tmp_path):
    (tmp_path / "keys").write_text("office read secret-secret-secret more\n")
    done = ended(tmp_path, ISE_API_KEY="k", ISE_API_KEYS_FILE=str(tmp_path / "keys"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: ISE_API_KEYS_FILE={tmp_path / 'keys'}, line 1: ")
    assert "secret-secret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unusable_data_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    port = str(free_port())
    done = ended(
        tmp_path, "indexer", ISE_DATA_DIR=str(tmp_path / "file" / "x"), ISE_INDEXER_PORT=port
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last == f"error: {tmp_path / 'file' / 'x'}: Not a directory. Check ISE_DATA_DIR."


def test_it_does_not_listen_where_it_can_not_and_tells_of_slips(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ended(tmp_path, ISE_QUERY_PORT=port, ISE_QUERYPORT="1")
    assert done.returncode != 0
    assert "listening" not in done.stderr
    assert "ISE_QUERYPORT is not a setting; did you mean ISE_QUERY_PORT?" in done.stderr


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8001"),
        ("::1", "http://[::1]:8001"),
        ("0.0.0.0", "http://127.0.0.1:8001"),  # noqa: S104
        ("::", "http://[::1]:8001"),
        ("10.0.0.7", "http://10.0.0.7:8001"),
        ("localhost", "http://localhost:8001"),
    ],
)
def test_a_service_of_this_machine_is_asked_where_it_listens(host, url):
    assert Settings(_env_file=None, host=host).url_of("indexer") == url


@pytest.mark.parametrize("more", [{}, {"allow_open": True}])
def test_a_key_that_others_could_guess_is_refused_with_the_way_out(more):
    for given in ({"host": "0.0.0.0"}, {"allowed_hosts": ["pictures.example"]}):  # noqa: S104
        settings = ServiceSettings(_env_file=None, api_key="x" * 15, **given, **more)
        with pytest.raises(Misconfigured, match="at least 16"):
            settings.check_bind()
    ServiceSettings(_env_file=None, api_key="x").check_bind()


def test_proxies_are_addresses_and_networks():
    given = ["10.0.0.7", "10.1.0.0/16", "::1", "fd00::/8"]
    assert ServiceSettings(_env_file=None, trusted_proxies=given).trusted_proxies == given
    for wrong in ("*", "nginx", "10.0.0.0/99", ""):
        with pytest.raises(ValidationError, match="no address and no network"):
            ServiceSettings(_env_file=None, trusted_proxies=[wrong])


def test_the_umask_is_three_octal_digits():
    for wrong in ("7", "0o77", "088", "0077"):
        with pytest.raises(ValidationError):
            Settings(_env_file=None, umask=wrong)
