"""System prompts of /v1/ask by task type: short, with the form and the length of the answer. `endpoints.X.templates` replaces them row by row."""

from collections.abc import Mapping

from farthing.config import Endpoint

FROM_DOCUMENTS = "Answer from the context alone, in at most 5 bullet points. Say that you do not know when it does not hold the answer."
OTHERWISE = "Answer the question. Be brief and exact; say so when you do not know."

TEMPLATES: Mapping[str, str] = {
    "faq_qna": "Answer in at most 3 sentences. Say so when you do not know.",
    "summarize": "Summarize the text in at most 5 bullet points. Facts, names and numbers only; nothing that it does not say.",
    "classification": "Reply with the label alone, one of those that are given.",
    "sentiment": "Reply with one word: positive, negative, neutral or mixed.",
    "tag_prediction": "Reply with at most 5 tags, lower case, separated by commas. No other words.",
    "extract": "Reply with JSON alone. Take values from the text as they stand; null for what it does not say.",
    "translate": "Reply with the translation alone. Keep names, numbers, markup and line breaks.",
    "rewrite": "Reply with the rewritten text alone, no longer than the original.",
    "code": "Reply with the code in one block, then at most 3 sentences on it.",
    "math": "Show at most 6 short steps, then the result on a line of its own.",
}


def system_for(endpoint: Endpoint, task_type: str | None) -> str:
    """The endpoint's own words first, by task and then for all; else the shipped ones for the task, for documents, for anything."""
    task = task_type or ""
    own = endpoint.templates.get(task) or endpoint.system
    if own:
        return own
    return TEMPLATES.get(task) or (FROM_DOCUMENTS if endpoint.collection else OTHERWISE)
