"""Which part of a prompt is what: system, history, documents, the last user turn.

Documents are what stands between tags that frame passages (`<context>`, `<documents>`, ...), wherever it stands.
Costs: one pass over the text for each tag that occurs; nothing where no closing tag does.
"""

from farthing.core.request import Peek

PASSAGE_TAGS = ("context", "document", "documents", "passage", "passages", "source", "sources", "search_results")
_SYSTEM = ("system", "developer")


def document_chars(text: str) -> int:
    """Characters of the text that stand between passage tags; nested ones count once."""
    return sum(stop - start for start, stop in document_spans(text))


def document_spans(text: str) -> list[tuple[int, int]]:
    """Where documents stand, tags included; nested ones are part of the outer one."""
    if "</" not in text:
        return []
    found: list[tuple[int, int]] = []
    for start, stop in sorted(span for tag in PASSAGE_TAGS for span in _spans(text, tag)):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def _spans(text: str, tag: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    position = 0
    while (start := text.find(f"<{tag}", position)) >= 0:
        opened = start + len(tag) + 1
        if text[opened : opened + 1] not in (">", " ", "\n", "\t"):
            position = opened
            continue
        stop = text.find(f"</{tag}>", opened)
        if stop < 0:
            break
        found.append((start, stop + len(tag) + 3))
        position = stop
    return found


def prompt_parts(peek: Peek, input_tokens: int) -> tuple[int, int, int, int]:
    """Input tokens of system, history (with tool definitions), documents and last user turn; they sum to `input_tokens`."""
    system = history = documents = last = 0
    last_user = next((place for place in range(len(peek.turns) - 1, -1, -1) if peek.turns[place].role == "user"), None)
    seen_bytes = 0
    for place, turn in enumerate(peek.turns):
        size = len(turn.text) if turn.text.isascii() else len(turn.text.encode("utf-8", "replace"))
        seen_bytes += size
        framed = min(size, document_chars(turn.text))
        documents += framed
        if place == last_user:
            last += size - framed
        elif turn.role in _SYSTEM:
            system += size - framed
        else:
            history += size - framed
    history += max(0, peek.text_bytes - seen_bytes)
    return _shared_out((system, history, documents, last), input_tokens)


def _shared_out(sizes: tuple[int, int, int, int], tokens: int) -> tuple[int, int, int, int]:
    """The tokens by size, in whole numbers; the rounding goes to the last user turn."""
    whole = sum(sizes)
    if not whole:
        return (0, 0, 0, tokens)
    system, history, documents = (size * tokens // whole for size in sizes[:3])
    return (system, history, documents, tokens - system - history - documents)
