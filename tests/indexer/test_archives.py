"""Archives answer as the folder they hold."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from services.indexer.sources.links import target_of
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import Reading, read_source
from shared.core.errors import InvalidInput
from tests.fuzz.odd_folders import without_flags


def tar_of(folder: Path, *members: tuple[str, bytes | tuple[bytes, str]], **options) -> Path:
    """Members by name: their bytes, or a type and what it links to."""
    with tarfile.open(folder / "p.tar", "w", errors="surrogateescape", **options) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                tar.addfile(info)
    return folder / "p.tar"


def zip_of(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(folder / "p.zip", "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return folder / "p.zip"


def renamed(path: Path, raw: bytes) -> Path:
    """The only member, called `p...p`, has these bytes as its name, and no flag says which."""
    data = without_flags(path.read_bytes())
    path.write_bytes(data.replace(b"p" * len(raw), raw))
    return path


def held(source: Path, **reading) -> dict[str, bytes | str]:
    """What each file of a source holds, or why it can't be taken."""
    found = read_source(source, None, reading=Reading(**reading))
    return {file.uri: file.error or _bytes(file) for file in found}


def _bytes(file) -> bytes | str:
    try:
        return file.file.read(2**20)
    except OSError as error:
        return str(error)


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


def test_a_hard_link_has_its_second_name_and_tag(tmp_path):
    hard = (tarfile.LNKTYPE, "dog/a.png")
    source = tar_of(tmp_path, ("dog/a.png", b"a"), ("best/b.png", hard), ("x/c.png", b"c"))
    found = read_source(source, None)
    assert {f.uri: (list(f.tags), f.file.read(9)) for f in found} == {
        "best/b.png": (["best"], b"a"),
        "dog/a.png": (["dog"], b"a"),
        "x/c.png": (["x"], b"c"),
    }


def test_links_are_followed_as_in_a_folder(tmp_path):
    soft = tarfile.SYMTYPE
    targets = {
        "a/link.png": "../b/1.png",
        "twice.png": "a/link.png",
        "c": "b",
        "gone.png": "nowhere.png",
        "out.png": "/etc/passwd",
        "up.png": "../../x.png",
        "loop.png": "loop.png",
        "b/self": "../b",
    }
    tar = tar_of(tmp_path, ("b/1.png", b"1"), *((n, (soft, t)) for n, t in targets.items()))
    made = zip_of(tmp_path, ("b/1.png", b"1"), *(link(n, t) for n, t in targets.items()))
    for source in (tar, made):
        plain = {"b/1.png": b"1", "a/link.png": b"1", "twice.png": b"1"}
        assert held(source) == plain
        assert read_source(source, None).skipped == {"links": 6}
        assert held(source, follow_links=True) == plain | {"c/1.png": b"1"}
        kind = source.suffix[1:]
        reach = Resolver()
        file = reach.file(reach.address(f"{kind}://c/1.png::{source}"))
        assert file.read(9) == b"1"


@pytest.mark.parametrize(
    ("name", "target", "found"),
    [
        ("a/b.png", "../c.png", "c.png"),
        ("a/b.png", "./d//e.png", "a/d/e.png"),
        ("b.png", "../c.png", None),
        ("b.png", "/c.png", None),
        ("b.png", "a\\c.png", None),
    ],
)
def test_a_link_names_a_path_of_the_archive_or_none(name, target, found):
    assert target_of(name, target) == found


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_names_of_any_bytes_are_read(tmp_path, kind):
    long = f"{'d' * 150}/{'f' * 150}.png"
    source = tar_of(
        tmp_path, (long, b"1"), ("caf\udce9/x.png", b"2"), ("日本/y.png", b"3"), format=kind
    )
    assert held(source) == {"caf%E9/x.png": b"2", long: b"1", "日本/y.png": b"3"}


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Größe/日本語.png", "utf-8"),
        ("写真/ねこ.png", "cp932"),
        ("テスト.png", "cp932"),
        ("schön/übung.png", "cp437"),
        ("Ångström é.png", "cp437"),
    ],
)
def test_a_zips_names_without_a_flag_are_read_as_they_were_meant(tmp_path, name, encoding):
    raw = name.encode(encoding)
    source = renamed(zip_of(tmp_path, ("p" * len(raw), b"1")), raw)
    assert held(source) == {name: b"1"}


def test_a_zips_extra_field_for_the_name_counts(tmp_path):
    name = "Größe.png"
    info = zipfile.ZipInfo("Gr__e.png")
    field = b"\1" + zipfile.crc32(b"Gr__e.png").to_bytes(4, "little") + name.encode()
    info.extra = (0x7075).to_bytes(2, "little") + len(field).to_bytes(2, "little") + field
    assert held(zip_of(tmp_path, (info, b"1"))) == {name: b"1"}


def test_a_sparse_member_is_read_with_its_holes(tmp_path):
    for version in ("0.1", "1.0"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("sparse.png")
            sizes = "2\n0\n3\n1000\n2\n" if version == "1.0" else ""
            data = sizes.encode().ljust(512, b"\0") + b"abcyz" if sizes else b"abcyz"
            info.size = len(data)
            info.pax_headers = {"GNU.sparse.name": "sparse.png", "GNU.sparse.realsize": "1002"}
            if version == "1.0":
                info.pax_headers |= {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
            else:
                info.pax_headers |= {"GNU.sparse.map": "0,3,1000,2", "GNU.sparse.size": "1002"}
            tar.addfile(info, io.BytesIO(data))
        (tmp_path / "p.tar").write_bytes(out.getvalue())
        assert held(tmp_path / "p.tar") == {"sparse.png": b"abc" + bytes(997) + b"yz"}


def test_of_members_at_one_path_the_last_counts_whatever_they_are(tmp_path):
    again = [
        ("a.png", b"1"),
        ("./a.png", b"2"),
        ("b.png", b"3"),
        ("b.png", (tarfile.SYMTYPE, "a.png")),
    ]
    assert held(tar_of(tmp_path, *again)) == {"a.png": b"2", "b.png": b"2"}


def test_system_folders_pipes_and_rules_count_as_in_a_folder(tmp_path):
    members = [
        ("__MACOSX/._a.png", b""),
        ("@eaDir/x/y.png", b""),
        ("@eaDir/x/z.png", b""),
        ("a.png", b"a"),
        ("b.gif", b""),
        ("notes.txt", b""),
        (".iseignore", b"*.gif\n"),
        ("old/c.png", b""),
    ]
    pipe = ("pipe.png", (tarfile.FIFOTYPE, ""))
    for source in (tar_of(tmp_path, *members, pipe), zip_of(tmp_path, *members)):
        found = read_source(source, None, reading=Reading(["old/"]))
        assert [file.uri for file in found] == ["a.png"]
        skipped = {"system": 2, "excluded": 2, "not_pictures": 1}
        is_tar = source.suffix == ".tar"
        assert found.skipped == skipped | ({"special_files": 1} if is_tar else {})


def test_members_that_cannot_be_taken_fail_alone_also_where_roots_are_checked(tmp_path):
    names = ["a\\b.png", "/etc/x.png", "../y.png", "a::z.png", "new\nline.png", "good.png"]
    for source in (
        tar_of(tmp_path, *((name, b"1") for name in names)),
        zip_of(tmp_path, *((name, b"1") for name in names)),
    ):
        for roots in (None, [tmp_path]):
            found = read_source(source, None, roots)
            told = [(f.uri, f.error or _bytes(f)) for f in found]
            assert [uri for uri, said in told if said == b"1"] == ["good.png"]
            assert len(told) == 6


@pytest.mark.parametrize(
    "name", ["a\u00a0b.png", "旅行\u3000京都.png", "\U0001f468\u200d\U0001f469.png", "a\u202fm.png"]
)
def test_spaces_and_signs_of_any_script_are_parts_of_names(tmp_path, name):
    for source in (tar_of(tmp_path, (name, b"x")), zip_of(tmp_path, (name, b"x"))):
        [file] = read_source(source, None, [tmp_path])
        assert (file.uri, file.error, file.file.read(9)) == (name, None, b"x")


def test_an_ignore_file_that_cannot_be_read_fails_its_folder_alone(tmp_path):
    names = ["a\\b/.iseignore", "a\\b/x.png", "c/.iseignore", "c/x.png", "d/x.png"]
    source = zip_of(tmp_path, *((name, b"1") for name in names))
    data = bytearray(source.read_bytes())
    at = data.index(b"c/.iseignore", data.index(b"PK\1\2")) - 46
    data[at + 8] |= 1
    source.write_bytes(data)
    found = held(source)
    assert found.pop("d/x.png") == b"1"
    assert "no path within" in found.pop("a\\b/x.png")
    assert "its .iseignore" in found["c/x.png"] or "'s .iseignore can't be read" in found["c/x.png"]
    assert set(found) == {"c/x.png"}


def test_an_encrypted_member_fails_alone(tmp_path):
    source = zip_of(tmp_path, ("a.png", b"1"), ("b.png", b"2"))
    data = bytearray(source.read_bytes())
    for signature, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(signature) + flags] |= 1
    source.write_bytes(data)
    assert held(source) == {"a.png": "it is encrypted", "b.png": b"2"}


def test_headers_that_lead_back_come_to_an_end(tmp_path):
    """A size below nothing took tarfile round and round."""
    info = tarfile.TarInfo("a.png")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (2**96 - 512).to_bytes(12, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "p.tar").write_bytes(bytes(header) * 2 + bytes(1024))
    with pytest.raises(InvalidInput, match="can't be read as a tar"):
        read_source(tmp_path / "p.tar", None)


def test_a_deep_chain_of_headers_is_refused_with_a_sentence(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    (tmp_path / "p.tar").write_bytes((info.tobuf() + b"a\0".ljust(512, b"\0")) * 3000)
    with pytest.raises(InvalidInput, match="can't be read as a tar"):
        read_source(tmp_path / "p.tar", None)


def test_an_index_can_be_cancelled_at_each_member(tmp_path):
    source = tar_of(tmp_path, *((f"{n}.png", b"") for n in range(20)))
    steps = iter(range(5))

    def check() -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_source(source, None, reading=Reading(check=check))
