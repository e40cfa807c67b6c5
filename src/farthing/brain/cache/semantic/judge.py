"""Reading a judge that errs: how often to ask it, and how often it is wrong.

Its rate of error is not known beforehand. A random part of its verdicts is asked for twice; two verdicts on one pair that disagree show the
rate (disagreement = 2 e (1 - e)). With it every verdict is weighed against what the namespace expected: one that was expected stands, a
surprising one is asked for again until one side has the better of it by `RESIDUAL` (Wald's sequential test, 1945, with the score as prior).
What asking again cannot show, errors that repeat, is measured on pairs of known truth and corrected for in the certificate.
"""

import math

import msgspec

RESIDUAL = 0.0005
MOST_CALLS = 9
_TWICE = 0.06
_ALWAYS_TWICE = 60
_FLOOR = 0.001
_PRIOR_PAIRS, _PRIOR_ERRORS = 20.0, 0.4  # a judge nobody has seen yet errs in 1 % of its verdicts


class Judge(msgspec.Struct):
    """What is known of one judge; shared by the namespaces that it judges."""

    pairs: int = 0  # asked twice at random
    disagreed: int = 0
    calls: int = 0

    @property
    def error(self) -> float:
        """Estimated share of wrong verdicts, where errors do not repeat."""
        rate = (self.disagreed + _PRIOR_ERRORS) / (self.pairs + _PRIOR_PAIRS)
        return max(_FLOOR, (1 - math.sqrt(max(0.0, 1 - 2 * min(rate, 0.49)))) / 2)

    def weigh(self, expected: float, coin: float) -> "Weighing":
        """Begin on one pair. `expected`: probability that it is the same, before any verdict; `coin` from 0 to 1 decides about asking twice."""
        twice = self.pairs < _ALWAYS_TWICE or coin < _TWICE
        return Weighing(self, min(0.999, max(0.001, expected)), twice)


class Weighing(msgspec.Struct):
    """The verdicts on one pair so far. `wants_more` until they settle it; then `same` and `doubt` say how."""

    judge: Judge
    expected: float
    twice: bool
    yes: int = 0
    no: int = 0

    @property
    def _logit(self) -> float:
        error = self.judge.error
        return math.log(self.expected / (1 - self.expected)) + (self.yes - self.no) * math.log((1 - error) / error)

    @property
    def same(self) -> bool:
        return self._logit > 0

    @property
    def doubt(self) -> float:
        """Probability that `same` is wrong."""
        return 1 / (1 + math.exp(min(60.0, abs(self._logit))))

    @property
    def wants_more(self) -> bool:
        asked = self.yes + self.no
        if asked < (2 if self.twice else 1):
            return True
        # Verdicts must agree with what they settle: the score alone may not decide.
        against = self.same != (self.yes > self.no)
        return asked < MOST_CALLS and (self.doubt > RESIDUAL or against)

    def hear(self, same: bool) -> None:
        self.judge.calls += 1
        if same:
            self.yes += 1
        else:
            self.no += 1
        if self.twice and self.yes + self.no == 2:
            self.judge.pairs += 1
            self.judge.disagreed += self.yes == self.no
