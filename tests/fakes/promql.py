"""A reader of PromQL: it takes what Prometheus' grammar takes of the parts we use, and says which series were named.

    selectors("sum by (a) (rate(x_total{b=\"c\"}[5m]))") == [Selector("x_total", ("b",))]

Raises `ValueError` at the first word that does not fit.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?![\w.]))|(?P<duration>\d+[smhdwy]|\$__\w+)|(?P<string>\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<word>[a-zA-Z_:][\w:]*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){}\[\],]))"
)
_AGGREGATES = frozenset({"sum", "count", "avg", "min", "max"})
_FUNCTIONS = {"rate": 1, "increase": 1, "absent": 1, "vector": 1, "histogram_quantile": 2, "clamp_min": 2, "clamp_max": 2, "label_replace": 5}
_RANGED = frozenset({"rate", "increase"})
_BINARY = ({"or"}, {"and", "unless"}, {"==", "!=", ">", "<", ">=", "<="}, {"+", "-"}, {"*", "/", "%"})


@dataclass(frozen=True, slots=True)
class Selector:
    """A series as it was named."""

    name: str
    labels: tuple[str, ...]
    by: tuple[str, ...] = ()  # labels that the aggregations around it keep


def selectors(expression: str) -> list[Selector]:
    """The series of an expression that reads as one."""
    reader = _Reader(expression)
    reader.expression(0)
    if reader.token[0] != "end":
        raise ValueError(f"unexpected {reader.token[1]!r} in {expression}")
    return reader.found


class _Reader:
    def __init__(self, text: str) -> None:
        self.found: list[Selector] = []
        self._text = text
        self._by: tuple[str, ...] = ()
        self._tokens = _split(text)
        self.token = next(self._tokens)

    def expression(self, level: int) -> None:
        if level == len(_BINARY):
            self._unary()
            return
        self.expression(level + 1)
        while self.token[1] in _BINARY[level] and self.token[0] != "string":
            self._next()
            self.expression(level + 1)

    def _unary(self) -> None:
        if self.token[1] == "-":
            self._next()
        kind, text = self.token
        if kind == "number":
            self._next()
        elif text == "(":
            self._inside()
        elif kind == "word" and text in _AGGREGATES:
            self._aggregate()
        elif kind == "word" and text in _FUNCTIONS:
            self._call()
        elif kind == "word":
            self._selector(ranged=False)
        else:
            raise ValueError(f"unexpected {text!r} in {self._text}")

    def _inside(self) -> None:
        self._take("(")
        self.expression(0)
        self._take(")")

    def _aggregate(self) -> None:
        self._next()
        outer = self._by
        if self.token[1] == "by":
            self._next()
            self._by = (*outer, *self._names("(", ")"))
        self._inside()
        self._by = outer

    def _call(self) -> None:
        name = self._next()
        self._take("(")
        for place in range(_FUNCTIONS[name]):
            if place:
                self._take(",")
            if self.token[0] == "string":
                self._next()
            elif name in _RANGED:
                self._selector(ranged=True)
            else:
                self.expression(0)
        self._take(")")

    def _selector(self, *, ranged: bool) -> None:
        name = self._next()
        labels: list[str] = []
        if self.token[1] == "{":
            self._next()
            while self.token[1] != "}":
                labels.append(self._word())
                if self._next() not in ("=", "!=", "=~", "!~") or self.token[0] != "string":
                    raise ValueError(f"bad matcher of {labels[-1]} in {self._text}")
                self._next()
                if self.token[1] == ",":
                    self._next()
            self._next()
        if ranged:
            self._take("[")
            self._duration()
            self._take("]")
        if self.token[1] == "offset":
            self._next()
            self._duration()
        self.found.append(Selector(name, tuple(labels), tuple(label for label in self._by if label != "le")))

    def _names(self, opening: str, closing: str) -> list[str]:
        self._take(opening)
        names = [self._word()]
        while self.token[1] == ",":
            self._next()
            names.append(self._word())
        self._take(closing)
        return names

    def _word(self) -> str:
        if self.token[0] != "word":
            raise ValueError(f"expected a name, found {self.token[1]!r} in {self._text}")
        return self._next()

    def _duration(self) -> None:
        if self.token[0] != "duration":
            raise ValueError(f"expected a duration, found {self.token[1]!r} in {self._text}")
        self._next()

    def _take(self, text: str) -> None:
        if self.token[1] != text:
            raise ValueError(f"expected {text!r}, found {self.token[1]!r} in {self._text}")
        self._next()

    def _next(self) -> str:
        text = self.token[1]
        self.token = next(self._tokens)
        return text


def _split(text: str):
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"cannot read {text[at : at + 20]!r}")
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()
    yield "end", ""
