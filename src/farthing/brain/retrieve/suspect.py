"""Text in a document that reads like an instruction to a model. A hint for people, not a wall: what is retrieved is sent as data either way.

Guarantees: linear time, whatever the text. A hit is written down with its source; nothing is dropped because of it, since policies speak of
instructions too.
"""

from typing import Any

import re2  # pyright: ignore[reportMissingTypeStubs]

_PATTERN: Any = re2.compile(  # pyright: ignore[reportUnknownMemberType]
    r"(?i)\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|the\s+|your\s+|my\s+|these\s+|of\s+)*(?:previous|prior|above|earlier|preceding|system|other)\s+"
    r"(?:instruction|prompt|message|rule|direction|context|command)|"
    r"\byou\s+are\s+now\s+(?:a|an|the|in)\b|\bnew\s+(?:system\s+)?instructions?\s*:|\b(?:reveal|print|repeat|show|leak|output)\s+(?:me\s+)?(?:your|the)\s+"
    r"(?:system\s+|hidden\s+|initial\s+)?(?:prompt|instructions)|<\|?(?:im_start|im_end|system|endoftext)\|?>|\[/?INST\]|"
    r"\bdo\s+not\s+(?:tell|inform|mention\s+(?:this\s+)?to)\s+the\s+user\b|</?\s*(?:context|document|system)\s*>|"
    r"\bact\s+as\s+(?:if\s+you\s+(?:are|were)|an?\s+(?:unrestricted|unfiltered|jailbroken))\b"
)


def suspicious(text: str) -> bool:
    return _PATTERN.search(text) is not None
