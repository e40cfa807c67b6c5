"""What the fakes were asked for: a line of JSON each in the file that FAKE_GUESTS_LOG names. Orders are in FAKE_GUESTS_ORDERS, a JSON object."""

import json
import os
from pathlib import Path
from typing import Any


def tell(what: str, **fields: Any) -> None:
    with Path(os.environ["FAKE_GUESTS_LOG"]).open("a") as log:
        log.write(json.dumps({"what": what, **fields}) + "\n")


def order(name: str, default: Any) -> Any:
    return json.loads(os.environ.get("FAKE_GUESTS_ORDERS", "{}")).get(name, default)
