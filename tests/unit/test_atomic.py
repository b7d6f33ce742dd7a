"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from workflow_scripts.support.atomic import atomic_path


def test_file_appears_under_its_name_only_after_the_block(tmp_path: Path) -> None:
    target = tmp_path / "new" / "result.bin"
    with atomic_path(target) as partial:
        partial.write_bytes(b"whole")
        assert partial.parent == target.parent
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "result.bin"
    target.write_bytes(b"old")
    with pytest.raises(error), atomic_path(target) as partial:
        partial.write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_leftovers_of_a_killed_writer_are_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "result.bin"
    with atomic_path(target) as partial:
        leftover = partial
        partial.write_bytes(b"x")
    leftover.write_bytes(b"left behind by a SIGKILL, and longer")
    with atomic_path(target) as partial:
        assert partial == leftover
        partial.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_writes_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "result.bin"):
        pass
    assert list(tmp_path.iterdir()) == []
