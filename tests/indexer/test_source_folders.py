"""Choosing a folder to ingest by looking: what is shown, and what never is."""

import pytest

from services.indexer.sources.browsing import source_folders
from shared.core.errors import Forbidden, InvalidInput, NotFound


@pytest.fixture
def roots(tmp_path):
    root = tmp_path / "pictures"
    for name in ("2024", "2023", "Ähre", ".hidden"):
        (root / name).mkdir(parents=True)
    (root / "a.JPG").write_bytes(b"")
    (root / "notes.txt").write_bytes(b"")
    outside = tmp_path / "secret"
    (outside / "inner").mkdir(parents=True)
    (root / "link").symlink_to(outside)
    return [root]


def test_without_a_path_the_roots_are_where_to_start(roots):
    found = source_folders(None, roots)
    assert [one.path for one in found.folders] == [str(roots[0])]
    assert (found.path, found.parent) == (None, None)


def test_a_folder_shows_its_folders_and_counts_pictures_but_no_links_or_hidden_ones(roots):
    found = source_folders(str(roots[0]), roots)
    assert [one.name for one in found.folders] == ["2023", "2024", "Ähre"]
    assert (found.pictures, found.complete, found.parent) == (1, True, None)


def test_a_folder_within_a_root_leads_back_up_to_the_root_only(roots):
    assert source_folders(str(roots[0] / "2024"), roots).parent == str(roots[0])


@pytest.mark.parametrize("way", ["link", "link/inner", "../secret", "..", "2024/../../secret"])
def test_nothing_outside_the_roots_is_shown(roots, way):
    with pytest.raises(Forbidden):
        source_folders(str(roots[0] / way), roots)


@pytest.mark.parametrize("path", ["2024", "", "a\0b"])
def test_a_path_that_is_none_is_refused(roots, path):
    with pytest.raises((InvalidInput, Forbidden)):
        source_folders(path, roots)


@pytest.mark.parametrize("name", ["none", "a.JPG"])
def test_what_is_no_folder_is_not_found(roots, name):
    with pytest.raises(NotFound):
        source_folders(str(roots[0] / name), roots)


def test_on_this_machine_any_folder_may_be_looked_into(roots):
    found = source_folders(str(roots[0]), None)
    assert found.parent == str(roots[0].parent)
    assert source_folders(None, None).folders


def test_a_confined_caller_sees_the_roots_alone_over_http(start, folder_of, tmp_path):
    inside = folder_of({"a.png": 0}, "inside")
    with start(ingest_roots=[inside]) as service:

        def ask(**params):
            return service.http.get("/v1/ingest/folders", params=params)

        assert [f["path"] for f in ask(confined=True).json()["folders"]] == [str(inside)]
        assert ask(path=str(inside), confined=True).json()["pictures"] == 1
        assert ask(path=str(tmp_path), confined=True).status_code == 403
        assert ask(path=str(tmp_path)).status_code == 200


def test_a_job_says_what_it_reads(start, folder_of):
    inside = folder_of({"a.png": 0}, "inside")
    with start(ingest_roots=[inside]) as service:
        job = service.ingest(inside, build=False)
        found = service.http.get(f"/v1/jobs/{job.id}").json()
        assert (found["source"], found["dry_run"]) == (str(inside), False)
