"""Classifier: what is read off typical requests, that the caller wins, that work is bounded, that nothing depends on hash seeds."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.brain.classify import classify
from farthing.brain.classify.features import EVERYTHING, HEAD_CHARS, TAIL_CHARS, Reading, window
from farthing.brain.classify.words import ROWS
from farthing.core.exchange import TaskType
from tests.brain.requests import WordTokens, make_inbound, make_peek

TASKS = [
    ("classification", "Classify this ticket as one of the following categories: billing, bug, praise. Ticket: it crashes."),
    ("tag_prediction", "Suggest tags for this article about hiking in the Alps."),
    ("sentiment", "What is the sentiment of: 'The food was cold and the waiter rude'?"),
    ("summarize", "Summarize the following meeting in three sentences: we met, we talked, we left."),
    ("summarize", "Fasse den Text zusammen: Wir trafen uns und gingen wieder."),
    ("translate", "Translate 'good morning' into French."),
    ("extract", "Extract all names and dates from this letter as JSON: Dear Ann, on May 3 ..."),
    ("rewrite", "Rephrase this so that it is more formal: gimme the money"),
    ("code", "Why does this fail?\n```python\ndef f(x):\n    return x[0]\n```"),
    ("code", "Write a SQL query that lists customers without orders."),
    ("math", "If 3 pens cost 4 dollars, how much do 12 pens cost in total?"),
    ("math", "Find the value of \\(x\\) if $x^2 = 2$."),
    ("creative", "Write a short story about a lighthouse keeper."),
    ("faq_qna", "How do I reset my password?"),
    ("faq_qna", "My card still has not arrived, what can I do?"),
    ("qa", "Who wrote the Magic Mountain, and when?"),
    ("qa", "Which gas is released?\nA. Oxygen\nB. Helium\nC. Neon"),
    ("chat", "Hello there"),
    ("chat", "ok then"),
]


def read(text="", *, peek=None, tokens=None, **fields):
    return classify(make_inbound(text, peek=peek, **fields), tokens or WordTokens())


@pytest.mark.parametrize(("task", "text"), TASKS)
def test_task_types(task, text):
    assert read(text).task == task


def test_every_listed_task_is_a_task_type():
    listed = {feature[5:] for feature, _, _ in ROWS if feature.startswith("task:")}
    assert listed <= {task.value for task in TaskType}


def test_the_system_prompt_may_set_the_task():
    peek = make_peek(("system", "Classify every message: spam or not. Answer with a label."), ("user", "Win a prize now"))
    assert read(peek=peek).task == "classification"
    helper = make_peek(("system", "You are a customer support assistant."), ("user", "It does not work, what now?"))
    assert read(peek=helper).task == "faq_qna"


def test_tools_mean_an_agent():
    assert read(peek=make_peek(("user", "Summarize this"), has_tools=True)).task == "agent"


def test_what_the_caller_says_wins():
    signals = read("Write a poem", task_type="sentiment", domain="weather", language="fr")
    assert (signals.task, signals.domain, signals.language, signals.confidence) == ("sentiment", "weather", "fr", 1.0)


def test_a_clear_task_is_more_confident_than_a_vague_one():
    assert read("Translate this translation into French").confidence > 0.7
    assert read("well then").confidence <= 0.4


@pytest.mark.parametrize(
    ("risk", "text"),
    [
        ("high", "I want to kill myself"),
        ("high", "What dosage of ibuprofen is safe?"),
        ("high", "Can I sue my landlord?"),
        ("high", "Is this GDPR compliant?"),
        ("high", "My social security number is on the form"),
        ("high", "Should I invest my savings?"),
        ("high", "The patient took this medication"),
        ("medium", "My doctor is on holiday"),
        ("medium", "Write to bob@example.com"),
        ("medium", "Расскажи о погоде"),
        ("low", "What is the capital of France?"),
        ("low", "How do I sort a list?"),
    ],
)
def test_risk(risk, text):
    assert read(text).risk == risk


def test_risk_in_an_earlier_turn_counts_and_in_a_system_prompt_does_not():
    earlier = make_peek(("user", "I have chest pain"), ("assistant", "How long?"), ("user", "Since two days"))
    assert read(peek=earlier).risk == "high"
    system = make_peek(("system", "Never give legal advice, never a diagnosis."), ("user", "How do I sort a list?"))
    assert read(peek=system).risk == "low"


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        (True, "According to the document, who signs?"),
        (True, "What does our policy say about remote work?"),
        (True, "See the attached file and tell me the total"),
        (False, "What is the capital of France?"),
        (False, "Write a policy for me to read"),
    ],
)
def test_needs_documents(needs, text):
    assert read(text).needs_documents is needs


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("compliance", "Do we meet the HIPAA audit rules?"),
        ("pricing", "What discount do we get on the list price?"),
        ("legal", "Is the indemnity a contract clause?"),
        ("billing", "I was charged twice, send me the invoice"),
        (None, "What is the capital of France?"),
    ],
)
def test_domain(domain, text):
    assert read(text).domain == domain


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "What is the weather like in the north?"),
        ("de", "Wie ist das Wetter heute, und warum ist es nicht besser?"),
        ("fr", "Quel temps fait-il dans le nord et pourquoi est-ce que je gèle ?"),
        ("es", "¿Cómo puedo cambiar la contraseña de mi cuenta?"),
        ("it", "Come posso cambiare la password del mio conto?"),
        ("pt", "Como posso mudar a senha da minha conta, não está aqui"),
        ("nl", "Hoe kan ik het wachtwoord van mijn account wijzigen?"),
        ("ru", "Как изменить пароль?"),
        ("uk", "Як змінити пароль у моїй країні?"),
        ("zh", "如何更改密码？"),
        ("ja", "パスワードを変更する方法は？"),
        ("ko", "비밀번호를 어떻게 바꾸나요?"),
        ("ar", "كيف أغير كلمة المرور؟"),
        ("he", "איך משנים סיסמה?"),
        ("hi", "पासवर्ड कैसे बदलें?"),
        ("el", "Πώς αλλάζω τον κωδικό;"),
        ("th", "เปลี่ยนรหัสผ่านอย่างไร"),
        (None, "xyzzy"),
        (None, ""),
    ],
)
def test_language(language, text):
    assert read(text).language == language


def test_complexity_orders_plain_and_hard():
    plain = read("Hi").complexity
    medium = read("What is the capital of France, and why was it chosen?").complexity
    hard = read(
        "Design an algorithm that must run in O(n log n), explain why it is optimal, compare it with two others, and prove that "
        "it ends. Constraints: at most 2 GB, exactly one pass, without recursion.\n- Why?\n- How?\n- What if n is 0?\n```python\ndef f(): ...\n```"
    ).complexity
    assert plain < 0.15 < medium < 0.4 < hard


def test_sizes_are_estimates_from_bytes():
    tokens = WordTokens()
    signals = read("word " * 20, tokens=tokens)
    assert signals.query_tokens == 25
    assert signals.input_tokens == 25 + 3 * 2
    assert tokens.counted == []


def test_the_last_turn_is_counted_exactly_only_where_it_decides():
    for text, model, expected in (("word " * 100, "farthing/auto", 100), ("word " * 100, "gpt-4o", 125), ("word " * 200, "farthing/auto", 250)):
        assert read(text, model=model).query_tokens == expected


def test_other_scripts_are_counted_within_a_wider_range():
    tokens = WordTokens()
    read("密" * 100, tokens=tokens)
    assert tokens.counted == ["farthing/auto"]


def test_long_texts_are_read_at_both_ends():
    filler = "lorem ipsum dolor " * 6_000
    assert read(f"Translate into French: {filler}").task == "translate"
    assert read(f"{filler} Summarize this.").task == "summarize"
    assert len(window(filler)) == HEAD_CHARS + TAIL_CHARS + 1


def test_no_turns_and_no_text():
    signals = read(peek=make_peek())
    assert (signals.query_tokens, signals.task, signals.language) == (0, "chat", None)


def test_phrases_end_where_words_do():
    assert "documents" not in Reading("theattached attachedly").score(EVERYTHING)
    assert Reading("It’s attached.").score(EVERYTHING)["documents"] == 3


@given(st.text(max_size=300))
def test_any_text_gives_signals_in_range(text):
    signals = read(text)
    assert 0 <= signals.complexity <= 1
    assert 0 < signals.confidence <= 1
    assert signals.task in {task.value for task in TaskType}


def test_the_same_request_gives_the_same_signals_in_every_process():
    script = (
        "from tests.brain.classify.test_classify import TASKS, read\n"
        "print([read(text) for _, text in TASKS], read('class tags java poem tags for poem, translate and summarize'))"
    )
    seen = {
        subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(seen) == 1
