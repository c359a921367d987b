"""Clients of a process share what they trust."""

import ssl
from typing import Any

import pytest

from shared.clients.transport import AsyncClient, Client
from shared.core import tls


def test_further_clients_read_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    tls.trusted()
    made: list[Any] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda **given: made.append(given))
    for url in ("http://127.0.0.1:1", "https://127.0.0.1:1"):
        with Client(url):
            AsyncClient(url)
    assert made == []


def test_certificates_and_names_are_verified() -> None:
    assert tls.trusted().verify_mode is ssl.CERT_REQUIRED
    assert tls.trusted().check_hostname
    assert tls.trusted().get_ca_certs()
