"""Checksums: is a number that looks like a card, an account or an address really one? Each names the part that is, or `None`."""

from farthing.brain.reading.patterns import Match, Span

_CARD_DIGITS = range(13, 20)
_CARD_STARTS = "23456"  # the industries that issue payment cards
_SEPARATORS = " -"


def luhn(number: str) -> bool:
    """The checksum of payment cards, over the digits of `number`."""
    digits = [int(char) for char in number if "0" <= char <= "9"]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and any(digits)


def iban(number: str) -> bool:
    """ISO 13616: with its head moved to its end, the number is 1 modulo 97."""
    plain = number.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def card_span(match: Match) -> Span | None:
    """The first run of whole digit groups that is a card number; other numbers may stand beside it."""
    text, (offset, _) = match.group(), match.span()
    edges = [0, *(at + 1 for at, char in enumerate(text) if char in _SEPARATORS)]
    ends = [*(at for at, char in enumerate(text) if char in _SEPARATORS), len(text)]
    for first, start in enumerate(edges):
        for end in ends[first:]:
            run = text[start:end]
            if run[0] in _CARD_STARTS and sum(char.isdigit() for char in run) in _CARD_DIGITS and luhn(run):
                return offset + start, offset + end
    return None


def iban_span(match: Match) -> Span | None:
    """The longest head of the match that holds; a word in capitals may follow it."""
    text, (start, end) = match.group(), match.span()
    while not iban(text):
        head, space, _ = text.rpartition(" ")
        if not space:
            return None
        text = head
    return start, min(end, start + len(text))


def ip_span(match: Match) -> Span | None:
    return match.span() if all(int(part) < 256 for part in match.group().split(".")) else None


def phone_span(match: Match) -> Span | None:
    return match.span() if 7 <= sum(char.isdigit() for char in match.group()) <= 15 else None


def secret_span(match: Match) -> Span | None:
    """ "password is required" is a sentence; "password is hunter2" and "password: required" are not taken for one."""
    text = match.group()
    return None if not (":" in text or "=" in text) and text.split()[-1].rstrip(".!?)").isalpha() else match.span()
