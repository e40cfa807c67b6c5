"""The floor: when a lever is turned down on an endpoint, tried again, and turned up. Pure: stance and sample in, stance and turns out.

    on --- broke the floor ---> down --- cool-down over ---> trial --- holds the floor ---> on
                                  ^---- broke it again: twice the cool-down ----'

On trial a share of the traffic gets the lever, and all of that is judged.
"""

from farthing.brain.quality import sequential
from farthing.config import Quality
from farthing.core.judgement import Guarded, Phase, Stance, Turn

_LONGEST_COOL_DOWN_S = 86_400.0


def phase_at(stance: Stance, now: float) -> Phase:
    """The phase in force: a cool-down that is over is a trial."""
    return "trial" if stance.phase == "down" and now >= stance.until else stance.phase


def learn(
    stance: Stance, endpoint: str, lever: Guarded, pair: tuple[float, float], floor: float, rules: Quality, now: float
) -> tuple[Stance, tuple[Turn, ...]]:
    """What one more judged pair (score, reference) makes of a stance. Answers from before it was turned down say nothing new."""
    turns: list[Turn] = []

    def turn(phase: Phase, reason: str) -> None:
        turns.append(Turn(now, endpoint, lever, phase, reason))

    if stance.phase == "down":
        if now < stance.until:
            return stance, ()
        stance = sequential.begin(Stance("trial", now, 0.0, stance.cool_down_s), floor)
        turn("trial", f"cool-down of {stance.cool_down_s:g} s is over; {rules.trial_share:.0%} of the traffic tries it")
    stance = sequential.observe(stance, *pair, floor)
    if sequential.has_broken(stance):
        turn("down", _said(stance, "below"))
        cool_down_s = _cool_down_s(stance, rules)
        return sequential.begin(Stance("down", now, now + cool_down_s, cool_down_s), floor), tuple(turns)
    if stance.phase == "trial" and sequential.has_held(stance):
        turn("on", _said(stance, "at or above"))
        return sequential.begin(Stance("on", now, 0.0, stance.cool_down_s), floor), tuple(turns)
    return stance, tuple(turns)


def _cool_down_s(stance: Stance, rules: Quality) -> float:
    """Twice as long after a failed trial; the first length again once it was up for good."""
    if stance.phase != "trial":
        return rules.cool_down_s
    return min(max(_LONGEST_COOL_DOWN_S, rules.cool_down_s), 2 * stance.cool_down_s)


def _said(stance: Stance, where: str) -> str:
    quality = sequential.ratio(stance)
    known = "unknown" if quality is None else f"{quality:.3f} of the expensive tier's"
    return f"quality {known} over {stance.samples} judged answers is {where} the floor of {stance.floor:g}"
