"""tiktoken as the judge of our counts, its vocabularies read from the `bpe-openai` wheel instead of the network.

Run: python bench/tiktoken_judge.py   writes tests/models/token_counts.jsonl (pip install tiktoken bpe-openai==0.1.4)
"""

import base64
import gzip
import json
import random
from importlib import resources
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent.parent / "tests" / "models" / "token_counts.jsonl"

PROSE = (
    "The quick brown fox doesn't jump over the lazy dog's 1234567 bones; it'd rather SLEEP.",
    "def handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event[\"items\"][::-1])}\n\n\n# end\n",
    "Die Überprüfung der Straßenbeläge führt zu Kürzungen – „sofort“, sagte sie.",
    "日本語の文章を数えるのは簡単ではありません。東京都千代田区1-1-1。",
    "Привет, мир! Сколько здесь токенов? ½ + ¼ = ¾",
    "मुझे यह पसंद है। العربية لغة جميلة. שלום עולם",
    "\\frac{-b \\pm \\sqrt{b^2-4ac}}{2a} = x_{1,2} \\in \\mathbb{R}",
    "👩🏽‍🚀 flew to 🇪🇺 in 3…2…1   \t\n \r\n",
    "https://example.org/a/b?c=d&e=%20f#g //////// ======== ........",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ſ'ſ IT'S we'LL I'D they'Re X'x",
    "",
)
LETTERS = [*map(chr, range(32, 127)), *"  \n\n\r\t\x0b\x0c\x85\xa0\u2003\u2028\u3000''''sStTſKéÀßǅʰªआिह日本ни²Ⅷ½😀🇩\u0301\u200d€\ufeff\x1c\x00\x7f"]


def judges() -> dict[str, Any]:
    """tiktoken's encodings by a model that uses them."""
    import tiktoken
    from tiktoken_ext import openai_public

    def ranks(url: str, expected_hash: str | None = None) -> dict[bytes, int]:  # noqa: ARG001
        name = url.rpartition("/")[2]
        plain = gzip.decompress(resources.files("bpe_openai").joinpath("data", f"{name}.gz").read_bytes())
        rows = (line.split() for line in plain.splitlines() if line)
        return {base64.b64decode(token): int(rank) for token, rank in rows}

    openai_public.load_tiktoken_bpe = ranks
    return {"gpt-4o": tiktoken.Encoding(**openai_public.o200k_base()), "gpt-4": tiktoken.Encoding(**openai_public.cl100k_base())}


def noise(count: int, seed: int = 7) -> list[str]:
    """Texts that no one would write: every class of character next to every other."""
    draw = random.Random(seed)
    texts = ["".join(draw.choices(LETTERS, k=draw.randint(1, 60))) for _ in range(count)]
    for number in range(0, count, 7):
        codes = (draw.choice((draw.randrange(0x20, 0x800), draw.randrange(0x800, 0xD800), draw.randrange(0x10000, 0x1FFFF))) for _ in range(20))
        texts[number] = "".join(map(chr, codes))
    return texts


def main() -> None:
    encodings = judges()
    with GOLDEN.open("w") as file:
        for text in (*PROSE, *noise(300)):
            counts = {model: len(encoding.encode_ordinary(text)) for model, encoding in encodings.items()}
            file.write(json.dumps({"text": text, **counts}) + "\n")


if __name__ == "__main__":
    main()
