"""Follow-ups that what was said already answers: nothing new is looked up for them. Rules only.

Two kinds: a wish about the last answer itself ("shorter, please", "in German", "as a table"), and a question whose every content word stands in
one sentence of it. Whatever brings a new word is looked up, since a passage that was not sent may hold it.
"""

import re

from farthing.brain.reading.sentences import sentence_spans
from farthing.brain.reading.words import terms
from farthing.core.request import Turn

_MOST_CHARS = 120
_FEWEST_TERMS = 2
_LEAD = r"(?:ok(?:ay)?|thanks?|thank you|great|and|but|so|now|please|could you|can you|would you|will you|i'd like you to|just|sorry)"
_THIS = r"(?:it|that|this|(?:your|the)(?: last| previous)? (?:answer|reply|response|message|part|sentence|point)|the above)"
_FORM = (
    r"(?:(?:a (?:bit |little )?|much |even )?(?:short(?:er)?|long(?:er)?|simple(?:r)?|brief(?:er)?|clear(?:er)?|formal|polite|concise)|"
    r"(?:as|in|into|with) (?:a |an |one |two |three |\d+ )?(?:short )?"
    r"(?:tables?|lists?|bullets?|bullet points?|sentences?|paragraphs?|words?|json|markdown|email|simple(?:r)? (?:words|terms|english)|plain english|"
    r"english|german|french|spanish|italian|portuguese|dutch|polish|chinese|japanese))"
)
_ACT = (
    r"(?:summari[sz]e|rephrase|reword|rewrite|simplify|translate|shorten|repeat|reformat|format|condense|paraphrase|put|make|write|say|"
    r"give|explain|expand on)"
)
_ABOUT_IT = re.compile(
    rf"(?:{_LEAD}[\s,.!]+)*(?:{_ACT}(?: me)? {_THIS}(?: again| once more)?(?: (?:a (?:bit|little) )?{_FORM})*|(?:{_ACT} )?{_FORM}(?: version)?|"
    rf"(?:again|repeat|rephrase|summari[sz]e|shorten|simplify|translate)(?: {_THIS})?)(?:[\s,]+(?:and )?{_FORM})*(?:[\s,]+please)?[\s.!?]*",
    re.IGNORECASE,
)


def covered(turns: tuple[Turn, ...]) -> str | None:
    """Why the last thing that the user said needs no documents beyond the conversation; `None`: it may."""
    asked = next((place for place in range(len(turns) - 1, -1, -1) if turns[place].role == "user"), None)
    if asked is None:
        return None
    answer = next((turn.text for turn in reversed(turns[:asked]) if turn.role == "assistant" and turn.text), None)
    question = turns[asked].text.strip()
    if answer is None or not question or len(question) > _MOST_CHARS:
        return None
    if _ABOUT_IT.fullmatch(question):
        return "a wish about the last answer"
    wanted = set(terms(question))
    if len(wanted) >= _FEWEST_TERMS and any(wanted <= set(terms(answer[start:end])) for start, end in sentence_spans(answer)):
        return "the last answer speaks of all that is asked"
    return None
