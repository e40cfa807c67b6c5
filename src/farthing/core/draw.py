"""Shares of traffic, drawn by hash: the same name falls the same way for ever, in every process."""

from hashlib import blake2b


def fraction(text: str) -> float:
    """A number from 0 to below 1 that stands for this text; over many texts they are spread evenly."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") / 2**64
