"""Memory moves into huge pages, or stays as it is; what it holds is the same either way."""

from pathlib import Path

import numpy as np
import pytest

from farthing.models.embed import pages


def test_what_memory_holds_is_the_same_in_huge_pages() -> None:
    block = np.arange(8 << 20, dtype=np.uint8)
    assert pages.collapse() % (2 << 20) == 0
    assert (block == np.arange(8 << 20, dtype=np.uint8)).all()


def test_nothing_is_moved_where_the_machine_says_never(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "enabled").write_text("always madvise [never]\n")
    monkeypatch.setattr(pages, "_SETTING", tmp_path / "enabled")
    assert pages.collapse() == 0
    monkeypatch.setattr(pages, "_SETTING", tmp_path / "absent")
    assert pages.collapse() == 0


def test_only_own_memory_is_looked_at() -> None:
    maps = (
        "7f0000000000-7f0000800000 rw-p 00000000 00:00 0 \n"
        "7f1000100000-7f1000500000 rw-p 00000000 00:00 0                          [heap]\n"
        "7f2000000000-7f2000800000 r--p 00000000 00:00 0 \n"
        "7f3000000000-7f3000800000 rw-p 00000000 08:01 1234                       /usr/lib/libx.so\n"
        "7f4000000000-7f4000800000 rw-p 00000000 00:00 0                          [stack]\n"
        "7f5000000000-7f5000100000 rw-p 00000000 00:00 0 \n"
    )
    found = [hex(start) for start in pages._blocks(maps)]  # pyright: ignore[reportPrivateUsage]
    assert found == ["0x7f0000000000", "0x7f0000200000", "0x7f0000400000", "0x7f0000600000", "0x7f1000200000"]
