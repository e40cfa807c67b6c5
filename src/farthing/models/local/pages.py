"""Weights in huge pages.

A processor that reads gigabytes for every token spends much of its time looking up pages of 4 KiB. Linux gives pages of 2 MiB to memory that asks for
them (`madvise`, the usual setting); files that are mapped have none. glibc asks for what it hands out when it is told to. Other systems ignore it.
"""

from collections.abc import Mapping


def huge_pages(environ: Mapping[str, str]) -> dict[str, str]:
    """What to add to a child's environment; other tunables stay."""
    kept = [part for part in environ.get("GLIBC_TUNABLES", "").split(":") if part and not part.startswith("glibc.malloc.hugetlb=")]
    return {"GLIBC_TUNABLES": ":".join([*kept, "glibc.malloc.hugetlb=1"])}
