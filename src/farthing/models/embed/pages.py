"""Large memory of this process in huge pages, where the kernel can do that: Linux 6.1 and up, unless transparent huge pages are set to `never`.

A question that comes alone finds neither the embedder's weights nor the index in the processor's caches, and a quarter of its time went into
looking up where they are, 4 KB at a time. Guarantees: memory that is mostly empty stays as it is; what cannot be done is left. Costs: some 2 ms for a
block of 2 MB that moves, once, in the calling thread, without the interpreter's lock.
"""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

_HUGE = 2 << 20
_PAGE = 4096
_RESIDENT = 3 * _HUGE // _PAGE // 4  # pages of a block that are there: what is mostly empty stays as it is
_COLLAPSE = 25  # madvise(2), MADV_COLLAPSE
_OWN = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0 *(?:\[heap\]|\[anon.*\])?$")
_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def collapse() -> int:
    """Bytes that are in huge pages now by this call."""
    try:
        if "[never]" in _SETTING.read_text():
            return 0
        maps = Path("/proc/self/maps").read_text()
        libc = ctypes.CDLL(None)
        madvise, mincore = libc.madvise, libc.mincore
    except (OSError, AttributeError):
        return 0
    done = 0
    for start in _blocks(maps):
        resident = (ctypes.c_ubyte * (_HUGE // _PAGE))()
        if mincore(ctypes.c_void_p(start), ctypes.c_size_t(_HUGE), resident) or sum(page & 1 for page in resident) < _RESIDENT:
            continue
        done += 0 if madvise(ctypes.c_void_p(start), ctypes.c_size_t(_HUGE), _COLLAPSE) else _HUGE
    return done


def _blocks(maps: str) -> Iterator[int]:
    """Where huge pages may begin in this process's own memory."""
    for line in maps.splitlines():
        found = _OWN.match(line)
        if found:
            first = -(-int(found[1], 16) // _HUGE) * _HUGE
            yield from range(first, int(found[2], 16) - _HUGE + 1, _HUGE)
