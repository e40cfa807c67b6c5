"""Whether a question needs documents at all. Rules only, and few: to skip a question that documents answer costs the answer, to look
one up that needs none costs some tokens.
"""

import re

from farthing.brain.retrieve.follow import covered
from farthing.core.exchange import Signals
from farthing.core.request import Peek

_OWN_TEXT = frozenset(("translate", "rewrite", "summarize", "creative", "code", "math"))
_SURE = 0.6
_LONG_CHARS = 400
_PHRASES = (
    r"merci|salut",
    r"hi|hello|hey|hiya|good (?:morning|afternoon|evening|night)|thanks?|thank you(?: (?:so|very) much)?|thx|bye|goodbye|see you(?: later)?",
    r"ok(?:ay)?|great|cool|nice|perfect|awesome|got it|never ?mind|no(?:pe)?|yes|yep|yeah|sure|please|welcome|cheers|there|everyone|all|again|a lot",
    r"for (?:your|the) help|(?:that|this)(?:'s| is) (?:all|great|perfect|fine|it)|how are you(?: doing)?(?: today)?|how(?:'s| is) it going",
    r"what(?:'s| is) up|who (?:are|made) you|are you (?:a (?:bot|robot|human|person)|there|real)|what can you do|what(?:'s| is) your name",
    r"nice to meet you|tell me a (?:joke|story)|hallo|guten (?:morgen|tag|abend)|danke(?: sch[oö]n)?|tsch[uü]ss|hola|gracias|adi[oó]s|bonjour",
)
_SMALL_TALK = re.compile(rf"(?:(?:{'|'.join(_PHRASES)})\b[\s,.!?…:)\U0001F300-\U0001FAFF]*)+", re.IGNORECASE)
_MOST_SMALL_TALK_CHARS = 80


def skip_reason(peek: Peek, signals: Signals | None) -> str | None:
    """Why nothing is looked up; `None`: look."""
    asked = peek.last_user_text.strip()
    if not asked:
        return "nothing is asked"
    if len(asked) <= _MOST_SMALL_TALK_CHARS and _SMALL_TALK.fullmatch(asked):
        return "small talk"
    if "<context" in asked:
        return "the caller brought documents"
    follow_up = covered(peek.turns)
    if follow_up is not None:
        return follow_up
    if signals is None or signals.needs_documents or signals.task not in _OWN_TEXT or signals.confidence < _SURE:
        return None
    return f"task {signals.task} on the caller's own text" if len(asked) >= _LONG_CHARS or "```" in asked else None
