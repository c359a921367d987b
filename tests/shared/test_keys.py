"""The file of keys: what it may hold, and that a change of it counts at once."""

import hashlib
import hmac
import logging
import os

import pytest

from shared.core.errors import Misconfigured
from shared.web.keys import ALL, KeyRing, Scope, parse

OFFICE, KIOSK = "office-key-0123456789", "kiosk-key-0123456789"
HASHED = "sha256:" + hashlib.sha256(OFFICE.encode()).hexdigest()
TEXT = f"""
# Those of the house.
office   read,write  {HASHED}
kiosk    read        {KIOSK}   # by the door
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(TEXT)
    return path


def opens(ring, key):
    found = ring.find(key.encode())
    return found and (found.label, found.scopes)


def test_a_key_is_listed_by_itself_or_by_its_hash(file):
    ring = KeyRing("services-own", file)
    assert opens(ring, "services-own") == ("ISE_API_KEY", ALL)
    assert opens(ring, OFFICE) == ("office", ALL)
    assert opens(ring, KIOSK) == ("kiosk", {Scope.READ})
    for wrong in ("", OFFICE[:-1], OFFICE + "x", HASHED, HASHED.removeprefix("sha256:"), "office"):
        assert opens(ring, wrong) is None


def test_no_key_is_kept_as_it_was_given(file):
    ring = KeyRing("services-own", file)
    kept = repr(vars(ring)) + repr(ring._own) + repr(ring._listed)
    assert not any(key in kept for key in ("services-own", OFFICE, KIOSK))


def test_each_key_is_compared_whichever_fits(file, monkeypatch):
    compared = []
    plain = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or plain(a, b))
    ring = KeyRing("services-own", file)
    for given in ("services-own", OFFICE, KIOSK, "none", ""):
        compared.clear()
        ring.find(given.encode())
        # Digests, so that even a key's length makes no difference.
        assert [len(digest) for digest in compared] == [32, 32, 32]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("office read", "a label, scopes and a key"),
        (f"office read {KIOSK} more", "a label, scopes and a key"),
        (f"of/fice read {KIOSK}", "a label has"),
        (f"office admin {KIOSK}", "the scopes are"),
        (f"office read, {KIOSK}", "the scopes are"),
        ("office read short", "at least 16"),
        ("office read pässword-pässword", "ASCII"),
        ("office read sha256:abc", "64 hexadecimal"),
        (f"office read SHA256:{'0' * 64}\nnext read SHA256:{'0' * 64}", "that of 'office' already"),
        (f"office read {KIOSK}\noffice write {KIOSK}2", "that of 'office' already"),
        (f"ISE_API_KEY read {KIOSK}", "the label ISE_API_KEY is that of the service's own key"),
    ],
)
def test_a_line_that_is_none_is_told_by_its_number_and_without_its_key(tmp_path, line, told):
    file = tmp_path / "keys"
    file.write_text(f"# first\n{line}\n")
    with pytest.raises(Misconfigured) as caught:
        KeyRing("own", file)
    number = 1 + len(line.splitlines())
    assert f"line {number}: " in caught.value.detail
    assert told in caught.value.detail
    assert KIOSK not in caught.value.detail
    assert "short" not in caught.value.detail


def test_an_empty_file_lists_nobody_and_still_asks_for_a_key(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# none yet\n")
    ring = KeyRing(None, file)
    assert not ring.is_empty
    assert ring.find(b"") is None
    assert KeyRing(None).is_empty


def test_a_change_counts_at_the_next_request_however_it_is_made(file):
    ring = KeyRing("services-own", file)
    assert opens(ring, KIOSK)
    # Written anew in place, and then another file in its place.
    file.write_text(TEXT.replace("kiosk ", "#kiosk "))
    assert opens(ring, KIOSK) is None
    assert opens(ring, OFFICE)
    other = file.with_name("other")
    other.write_text(f"late write {KIOSK}\n")
    other.replace(file)
    assert opens(ring, KIOSK) == ("late", {Scope.WRITE})
    assert opens(ring, OFFICE) is None
    assert opens(ring, "services-own")


@pytest.mark.parametrize("broken", ["gone", "garbled", "unreadable"])
def test_a_broken_version_leaves_the_keys_before_it_and_says_so(file, caplog, broken):
    ring = KeyRing("services-own", file)
    with caplog.at_level(logging.ERROR):
        if broken == "gone":
            file.unlink()
        elif broken == "garbled":
            file.write_text("office read\n")
        else:
            file.unlink()
            file.mkdir()
        assert opens(ring, OFFICE)
        assert opens(ring, KIOSK)
    # Told once, not at each request.
    assert len(caplog.records) == 1
    assert ring.warning is not None
    assert "previous keys remain valid" in ring.warning
    assert str(file) not in ring.warning
    assert str(file) in caplog.text
    assert KIOSK not in caplog.text
    if broken == "unreadable":
        file.rmdir()
    file.write_text(f"late write {KIOSK}\n")
    os.utime(file, (1, 1))
    assert opens(ring, OFFICE) is None
    assert ring.warning is None


def test_a_missing_file_is_an_error_at_the_start(tmp_path):
    with pytest.raises(Misconfigured, match="No such file"):
        KeyRing("own", tmp_path / "none")


def test_the_example_of_the_documentation_can_be_read():
    from shared.web import keys

    example = "\n".join(line[4:] for line in keys.__doc__.splitlines() if line.startswith("    "))
    assert [key.label for key in parse(example)] == ["office", "kiosk"]
