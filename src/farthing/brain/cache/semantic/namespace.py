"""One namespace's semantic lane: look, and learn from what came of it. Pure but for its own memory; knows nothing of stores or models.

    look     nearest keys -> survey -> vetoes -> score -> certified? -> audited? -> serve or not
    learn    a judge said whose answer the new one equals: the question becomes a key of that answer, or of a new one

Guarantees: nothing is served that a veto forbids, whose answer is disputed, or whose score the certificate does not cover; a caller's own bound
can only raise the threshold. Costs: 0.3 ms a look with three verifier readings (bench/cache.py), a few hundred bytes a key besides its vector.
"""

import math
from collections.abc import Callable, Sequence

import msgspec

from farthing.brain.cache.semantic.certify import NEVER, Certificate, Evidence, JudgeErrors
from farthing.brain.cache.semantic.context import VETOED, Candidate, Compare, Record, survey
from farthing.brain.cache.semantic.later import FIRST_LABELS, LIKELY, MOST_UNASKED, UNLIKELY, Later, Unasked
from farthing.brain.cache.semantic.scorer import Prior, Scorer
from farthing.brain.cache.semantic.verifier import Compared

AUDIT_SHARE = 0.03
WATCHED_SHARE = 0.10
_WATCHED_HITS = 200  # after an audit that went wrong
_RECERTIFY_EVERY = 25
STRICT_LABELS = 400  # own ones, and questions that were too unlikely to be asked about; until then only what the verifier alone would vouch for
_VOUCHED = math.log(0.85 / 0.15)  # 25 % of the duplicates in QQP's test half, where it was chosen; 24 % in its train half
ASKED = 3  # answers that a judge is shown, one after another, until it finds the same


class Promise(msgspec.Struct, frozen=True):
    """What is promised to users: of the answers served by meaning at most `max_wrong` are wrong, with `confidence`."""

    max_wrong: float = 0.01
    confidence: float = 0.8

    @property
    def z(self) -> float:
        """Standard deviations of one side."""
        return _normal_quantile(self.confidence)


class Look(msgspec.Struct, frozen=True):
    """What the lane says about one question. `candidate` is `None` where nothing is near."""

    serve: bool
    reason: str
    candidate: Candidate | None = None
    score: float = -math.inf
    audited: bool = False  # would have been served, and is asked anew to keep the certificate honest

    @property
    def probability(self) -> float:
        return 0.0 if self.candidate is None else 1 / (1 + math.exp(-max(-60.0, min(60.0, self.score))))


_NOTHING_NEAR = Look(False, "nothing near")


class Namespace:
    """Answers by group, their keys by number, and what is known about serving them. `coin` draws from 0 to 1."""

    def __init__(self, promise: Promise, prior: Prior, *, coin: Callable[[], float]) -> None:
        self.promise = promise
        self.scorer = Scorer(prior)
        self.evidence = Evidence()
        self.records: dict[int, Record] = {}
        self.group_of: dict[int, int] = {}  # key -> group
        self.judge_errors = JudgeErrors()
        self.certificate = Certificate(NEVER, None, 0, 0.0)
        self.labels = 0
        self.brought = 0  # of these, from a file: no sample of this namespace's traffic, so that strictness does not end with them
        self.disputes = 0
        self.later = Later()
        self._served = False
        self._merged: dict[int, int] = {}  # group -> the one that it became part of
        self._next_group = 0
        self._coin = coin
        self._watched = 0
        self._since = 0

    def look(self, keys: Sequence[int], cosines: Sequence[float], compare: Compare, *, max_wrong: float | None = None) -> Look:
        """Judge the nearest keys, nearest first. `max_wrong`: the caller's own, stricter bound."""
        candidate = survey(keys, cosines, [self.group_of[key] for key in keys], self.records, compare)
        if candidate is None:
            return _NOTHING_NEAR
        score = self.scorer.score(candidate.row)
        if candidate.compared.veto is not None:
            return Look(False, candidate.compared.veto, candidate, score)
        self.evidence.seen(score)
        threshold = self.threshold(max_wrong)
        if self.labels - self.brought + len(self.later) < STRICT_LABELS and not vouched(candidate.compared):
            return Look(False, "not alike enough for a namespace that is new", candidate, score)
        if score < threshold:
            return Look(False, "not certified yet" if threshold == NEVER else "below the certified threshold", candidate, score)
        if self._coin() < (WATCHED_SHARE if self._watched else AUDIT_SHARE):
            return Look(False, "audited", candidate, score, audited=True)
        self.evidence.serve(score)
        self._served = True
        self._watched = max(0, self._watched - 1)
        return Look(True, f"p={1 / (1 + math.exp(-min(60.0, score))):.4f}, bound {self.certificate.bound or 0:.2%}", candidate, score)

    def threshold(self, max_wrong: float | None) -> float:
        """The score from which on is served, under the promise or under a stricter bound."""
        if max_wrong is None or max_wrong >= self.promise.max_wrong:
            return self.certificate.threshold
        return max(self.certificate.threshold, self.evidence.certificate(max_wrong, z=self.promise.z, judge=self.judge_errors).threshold)

    @property
    def young(self) -> bool:
        """Nothing was served yet, and labels are short."""
        return not self._served and self.labels < FIRST_LABELS and len(self.later) < MOST_UNASKED

    def asks(self, look: Look) -> bool:
        """Whether the judge is to be asked about this question now, or `later`."""
        if look.candidate is None or not self.young:
            return True
        return look.candidate.compared.veto is None and look.score >= LIKELY

    def learn(self, look: Look, verdicts: Sequence[tuple[int, bool]]) -> int:
        """What a judge said of the new answer beside others, in the order asked; gives the group that the question's key belongs to."""
        if look.candidate is not None and verdicts and verdicts[0][0] == look.candidate.group:
            self._label(look.score, look.candidate.row, right=verdicts[0][1], vetoed=look.candidate.compared.veto is not None, audited=look.audited)
        same = self._hear(verdicts)
        return self.open_group() if same is None else same

    def put_off(self, group: int, score: float, row: Sequence[float], others: Sequence[int]) -> None:
        """The judge was not asked whether the question that opened `group` is the same as `others`."""
        if not row[VETOED] and score < UNLIKELY:
            self.scorer.suppose(group, row)
        self.later.put(Unasked(group, score, tuple(others)))

    def learn_later(self, group: int, verdicts: Sequence[tuple[int | None, bool]]) -> int | None:
        """What a judge said in the end; gives the group that the question's own is to be merged into, if there is one.

        It counts as a label and teaches no more: the score and the neighbourhood are those of a namespace full of copies."""
        self.labels += 1
        self._settled(group)
        same = self._hear(verdicts)
        return None if same == self.current(group) else same

    def _settled(self, group: int) -> None:
        """Its question is not to be asked about any more."""
        self.later.forget(group)
        self.scorer.known(group)

    def _hear(self, verdicts: Sequence[tuple[int | None, bool]]) -> int | None:
        """The records of answers that were compared; gives the group that was found the same."""
        same = None
        for asked, equal in verdicts:
            group = None if asked is None else self.current(asked)
            if group is not None and (record := self.records.get(group)) is not None:
                record.confirmed += equal
                record.refuted += not equal
                same = group if equal and same is None else same
        return same

    def current(self, group: int) -> int:
        """The group that it is part of by now."""
        while (into := self._merged.get(group)) is not None:
            group = into
        return group

    def merge(self, group: int, into: int, keys: Sequence[int]) -> None:
        """Two answers turned out to be one: the keys and the history of `group` are those of `into` from now on."""
        old, record = self.records.pop(group), self.records[into]
        for key in keys:
            self.group_of[key] = into
        record.keys += old.keys
        record.confirmed += old.confirmed
        record.refuted += old.refuted
        self._merged[group] = into
        self._settled(group)

    def remember(self, score: float | None, row: Sequence[float] | None, verdicts: Sequence[tuple[int | None, bool]]) -> None:
        """A label from before, or from another worker. Where the answer it is about is gone the label still counts."""
        self._hear(verdicts)
        if score is not None and row is not None and verdicts:
            vetoed = bool(row[VETOED])
            if not vetoed:
                self.evidence.seen(score)
            self._label(score, row, right=verdicts[0][1], vetoed=vetoed)

    def _label(self, score: float, row: Sequence[float], *, right: bool, vetoed: bool, audited: bool = False) -> None:
        self.labels += 1
        if not vetoed:
            self.evidence.label(score, right=right)
            self.scorer.learn(row, right)
        if audited and not right:
            self._watched = _WATCHED_HITS
        self._since += 1
        if self._since >= _RECERTIFY_EVERY or (audited and not right):
            self.certify()

    def dispute(self) -> None:
        """A served answer was wrong: counted where the threshold is, watched more closely, and certified anew."""
        self.disputes += 1
        if self.certificate.threshold != NEVER:
            self.evidence.label(self.certificate.threshold, right=False)
        self._watched = _WATCHED_HITS
        self.certify()

    def certify(self) -> None:
        """Draw the threshold anew."""
        self._since = 0
        self.certificate = self.evidence.certificate(self.promise.max_wrong, z=self.promise.z, judge=self.judge_errors)

    def open_group(self) -> int:
        self._next_group += 1
        self.records[self._next_group] = Record()
        return self._next_group

    def add_key(self, key: int, group: int) -> None:
        self.group_of[key] = group
        self.records[group].keys += 1

    def forget_key(self, key: int) -> None:
        """A key that is gone from the index; its group goes with its last key."""
        group = self.group_of.pop(key, None)
        if group is not None and group in self.records:
            self.records[group].keys -= 1
            if self.records[group].keys <= 0:
                del self.records[group]
                self._settled(group)


def vouched(compared: Compared) -> bool:
    """What the shipped verifier alone vouches for: nothing differs that could matter, and its probability is at least 0.85."""
    return compared.veto is None and compared.strict == 0 and compared.logit >= _VOUCHED


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(min(0.9999, max(0.5, share)))
