import pytest

from shared.core.processors import processors, quota


@pytest.mark.parametrize(("said", "share"), [("150000 100000", 1.5), ("max 100000", None)])
def test_a_containers_share_is_read_of_the_newer_control_groups(tmp_path, said, share):
    (tmp_path / "cpu.max").write_text(f"{said}\n")
    assert quota(tmp_path) == share


@pytest.mark.parametrize(("said", "share"), [("50000", 0.5), ("-1", None)])
def test_a_containers_share_is_read_of_the_older_control_groups(tmp_path, said, share):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{said}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert quota(tmp_path) == share


@pytest.mark.parametrize("said", ["", "much", "1 0"])
def test_what_cant_be_read_limits_nothing(tmp_path, said):
    (tmp_path / "cpu.max").write_text(said)
    assert quota(tmp_path) is None


def test_there_is_a_processor_at_least():
    assert processors() >= 1
