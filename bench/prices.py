"""What prices cost to know: import `genai-prices` in the worker, or ask a child once and keep the boiled-down list.

Run: python bench/prices.py
"""

import subprocess
import sys
import tempfile

PROBE = """
import sys, time
def rss_mb(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
import farthing.core.usage, farthing.config, datetime, decimal, subprocess, tempfile, importlib.metadata, pathlib
before, started = rss_mb(), time.perf_counter()
{body}
print(f"{(time.perf_counter() - started) * 1e3:.0f} ms, +{rss_mb() - before:.1f} MB")
"""
LOAD = "import pathlib; from farthing.models.prices import PriceBook; PriceBook({}, cache_dir=pathlib.Path({path!r})).warm()"
LOOKUP = """
import timeit
from farthing.models.prices import PriceBook
book = PriceBook({})
book.rate("openai", "gpt-4o-mini")
cost = min(timeit.repeat(lambda: book.rate("openai", "gpt-4o-mini"), number=100_000, repeat=5)) / 100_000 * 1e6
print(f"{cost:.2f} us")
"""
COVER = """
from farthing.models.price_list import load
rows = [model for provider in load(None).providers for model in provider.models]
print(f"{sum(model.priced[-1].rate is not None for model in rows)} of {len(rows)} entries are sold by the token")
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as path:
        print("import genai_prices and its data:", run(PROBE.replace("{body}", "import genai_prices.data")))
        print("first load, through a child:     ", run(PROBE.replace("{body}", LOAD.replace("{path!r}", repr(path)))))
        print("load from the copy on disk:      ", run(PROBE.replace("{body}", LOAD.replace("{path!r}", repr(path)))))
    print("look-up after the first:         ", run(LOOKUP))
    print("list:                            ", run(COVER))


if __name__ == "__main__":
    main()
