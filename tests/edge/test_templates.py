"""System prompts of /v1/ask: whose words win, and that each shipped one says form or length."""

from farthing.config import Endpoint
from farthing.core.exchange import TaskType
from farthing.edge.templates import FROM_DOCUMENTS, OTHERWISE, TEMPLATES, system_for


def test_the_endpoint_s_words_come_first() -> None:
    assert system_for(Endpoint(system="Own."), "sentiment") == "Own."
    assert system_for(Endpoint(system="Own.", templates={"sentiment": "Good or bad?"}), "sentiment") == "Good or bad?"
    assert system_for(Endpoint(templates={"sentiment": "Good or bad?"}), "math") == TEMPLATES["math"]


def test_then_those_of_the_task_then_those_for_documents() -> None:
    assert system_for(Endpoint(), "sentiment") == TEMPLATES["sentiment"]
    assert system_for(Endpoint(collection="policies"), "qa") == FROM_DOCUMENTS
    assert system_for(Endpoint(), None) == system_for(Endpoint(), "nothing known") == OTHERWISE


def test_templates_are_for_tasks_that_there_are_and_are_short() -> None:
    assert set(TEMPLATES) <= {str(task) for task in TaskType}
    assert all(len(text) < 130 for text in TEMPLATES.values())
