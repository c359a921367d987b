"""Log files of `ise up --log-dir` have a bound."""

from pathlib import Path

from shared.cli.rotated_log import RotatedLog


def test_a_full_log_is_put_aside_and_the_one_before_goes(tmp_path: Path) -> None:
    path = tmp_path / "query.log"
    log = RotatedLog(path, most_bytes=100)
    for number in range(100):
        log.write(f"line {number:04}")
    log.close()
    both = [(tmp_path / f"query.log{end}").read_text() for end in (".1", "")]
    assert all(len(text) <= 100 for text in both)
    lines = "".join(both).splitlines()
    assert lines == [f"line {number:04}" for number in range(100 - len(lines), 100)]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["query.log", "query.log.1"]


def test_a_line_that_is_longer_than_the_bound_is_written_whole(tmp_path: Path) -> None:
    log = RotatedLog(tmp_path / "a.log", most_bytes=10)
    log.write("é" * 50)
    log.write("next")
    log.close()
    assert (tmp_path / "a.log.1").read_text() == "é" * 50 + "\n"
    assert (tmp_path / "a.log").read_text() == "next\n"
