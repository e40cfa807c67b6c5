"""Other words for what a question says: found in documents, configured, or by rules of spelling; for the search by words alone."""

from pathlib import Path

import pytest

from farthing import config
from farthing.brain.retrieve.expand import RULES, Alternative, Expander, Wordings, expander_of
from farthing.brain.retrieve.finder import Finder
from farthing.brain.retrieve.library import Library
from farthing.brain.retrieve.rank import shipped
from farthing.brain.retrieve.spelling import apart, plurals, spellings
from farthing.brain.retrieve.wordings import wordings
from farthing.core.document import Wording
from farthing.lab.ingest.run import Ingest
from farthing.stores.sqlite.documents import Documents
from tests.brain.retrieve.rig import HashEmbedder, finder, passage, vector, word_count

VPN = Wording("acronym", "VPN", "virtual private network")


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("Set up the Virtual Private Network (VPN) first.", "VPN", "Virtual Private Network"),
        ("Two virtual private networks (VPNs) are there.", "VPN", "virtual private networks"),
        ("Ask the VPN (virtual private network) team.", "VPN", "virtual private network"),
        ("The World Health Organization (WHO, founded 1948) says so.", "WHO", "World Health Organization"),
        ("Under the Americans with Disabilities Act (ADA) it is so.", "ADA", "Americans with Disabilities Act"),
        ("He studied at the Massachusetts Institute of Technology [MIT].", "MIT", "Massachusetts Institute of Technology"),
        ("A heat shock protein (HSP) and more.", "HSP", "heat shock protein"),
    ],
)
def test_an_abbreviation_that_is_spelt_out_is_found(text: str, short: str, long: str) -> None:
    assert wordings([text]) == (Wording("acronym", short, long),)


@pytest.mark.parametrize(
    "text",
    [
        "The price (EUR) is due.",
        "We moved (in May) to Bonn.",
        "Paris (France) is large.",
        "See the manual (PDF) below.",
        "They met John Smith (JS Bach was dead).",
        "He won (see Table II).",
        "",
    ],
)
def test_other_brackets_name_nothing(text: str) -> None:
    assert wordings([text]) == ()


def test_hyphened_words_are_found_once_and_chains_are_none() -> None:
    assert wordings(["Send an E-mail.", "An e-mail, state-of-the-art, a 3-day visit, re-do."]) == (Wording("compound", "email", "e-mail"),)


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("colour", "color"), ("colors", "colours"), ("favourite", "favorite"), ("organisation", "organization"), ("analyze", "analyse"),
        ("centre", "center"), ("meters", "metres"), ("defense", "defence"), ("travelling", "traveling"), ("catalog", "catalogue"),
        ("paediatric", "pediatric"), ("grey", "gray"), ("programmes", "program"), ("enrol", "enroll"),
    ],
)  # fmt: skip
def test_spellings_of_both_sides_of_the_atlantic(word: str, other: str) -> None:
    assert other in spellings(word)


def test_plurals_that_no_stemmer_undoes() -> None:
    assert (plurals("child"), plurals("indices"), plurals("tables")) == (("children",), ("index",), ())


def test_verbs_and_particles_part_and_other_words_do_not() -> None:
    assert (apart("login"), apart("checkout"), apart("season"), apart("cotton")) == (("log", "in"), ("check", "out"), None, None)


def learned(*found: Wording) -> Wordings:
    held = Wordings()
    held.put(1, found)
    return held


def also(question: str, *found: Wording, rows: tuple[tuple[str, ...], ...] = ()) -> set[str]:
    return {one.also for one in Expander(RULES, rows, learned(*found)).alternatives(question)}


def test_both_names_lead_to_each_other_whatever_their_number() -> None:
    assert "virtual private network" in also("How do I set up the VPN?", VPN)
    assert "VPN" in also("Are Virtual Private Networks allowed?", VPN)


def test_configured_rows_work_in_all_directions() -> None:
    rows = (("holiday", "annual leave", "PTO"),)
    assert also("How much PTO do I have?", rows=rows) >= {"holiday", "annual leave"}
    assert also("How much annual leave do I have?", rows=rows) >= {"holiday", "PTO"}


def test_a_word_that_only_its_case_tells_from_an_ordinary_one_needs_its_case() -> None:
    who = Wording("acronym", "WHO", "World Health Organization")
    assert "World Health Organization" in also("What does the WHO say?", who)
    assert "World Health Organization" not in also("who says so?", who)
    assert "World Health Organization" not in also("WHO SAYS SO?", who)


def test_words_written_together_or_apart() -> None:
    email = Wording("compound", "email", "e-mail")
    assert "e-mail" in also("change my email", email)
    assert "email" in also("change my e mail")
    assert "login" in also("I cannot log in")
    assert "log in" in also("login fails")
    assert "ofthe" not in also("end of the day")


def test_what_a_document_named_is_gone_with_it_and_counted_by_documents() -> None:
    held = Wordings()
    other = Wording("acronym", "VPN", "very private note")
    held.put(1, [VPN])
    held.put(2, [other])
    held.put(3, [other])
    assert held.others("acronym", ("vpn",)) == ["very private note", "virtual private network"]
    held.put(2, [])
    held.put(3, [])
    assert held.others("acronym", ("vpn",)) == ["virtual private network"]
    held.put(1, [])
    assert held.others("acronym", ("vpn",)) == []


def test_only_rules_that_are_on_act_and_rows_hold_where_they_are_meant() -> None:
    row = config.Synonyms(words=("VPN", "tunnel"), collections=("it",))
    on = config.Retrieve(expand=("synonyms",), synonyms=(row,))
    assert expander_of(on, "it", Wordings()).alternatives("vpn colour") == [Alternative("synonyms", "vpn", "tunnel")]
    assert expander_of(on, "hr", Wordings()).alternatives("vpn colour") == []
    assert expander_of(config.Retrieve(expand=(), synonyms=(row,)), "it", Wordings()).alternatives("vpn colour") == []


PASSAGES = [
    passage(1, "The virtual private network is reached from home with the client."),
    passage(2, "Goods come back within thirty days, and the office is closed on Sundays."),
    passage(3, "The canteen is open at noon. Private parties are virtual since last year."),
    passage(4, "Colour printers stand on the second floor."),
]


def expanding(*found: Wording) -> Finder:
    made = finder(PASSAGES)
    made.expander = Expander(RULES, (), learned(*found))
    return made


def test_a_passage_that_has_only_the_other_name_is_found_by_words() -> None:
    asked = "vpn"
    plain, expanded = finder(PASSAGES).rank(asked, vector("nothing alike")), expanding(VPN).rank(asked, vector("nothing alike"))
    assert plain is not None
    assert expanded is not None
    assert not plain.found.words.any()
    assert expanded.passages[int(expanded.found.words.argmax())].id == 1
    assert [extra.one for extra in expanded.question.extra] == [Alternative("acronyms", "vpn", "virtual private network")]


def test_the_question_s_own_words_count_for_more_and_its_vector_is_untouched() -> None:
    asked = vector("color printers")
    ranked = expanding().rank("color printers", asked)
    assert ranked is not None
    (extra,) = ranked.question.extra
    assert extra.one.also == "colour"
    own = dict(zip(ranked.question.terms.tolist(), ranked.question.weights.tolist(), strict=True))
    assert 0 < extra.weights.sum() < min(own.values())
    assert (ranked.question.vector == asked).all()


def test_a_passage_that_has_both_names_is_no_better_than_one_with_the_asked_one() -> None:
    texts = ["The vpn needs a token from the office.", "The vpn is a virtual private network.", "A virtual private network is slow here."]
    made = finder([passage(number, text) for number, text in enumerate(texts, 1)])
    made.expander = Expander(("acronyms",), (), learned(VPN))
    one, other = made.rank("vpn", vector("vpn")), finder([passage(number, text) for number, text in enumerate(texts, 1)]).rank("vpn", vector("vpn"))
    assert one is not None
    assert other is not None
    by_words = {passage.id: float(score) for passage, score in zip(one.passages, one.found.words, strict=True)}
    plain = {passage.id: float(score) for passage, score in zip(other.passages, other.found.words, strict=True)}
    assert (by_words[1], by_words[2]) == pytest.approx((plain[1], plain[2]))
    assert 0 == plain[3] < by_words[3] < by_words[1]


def test_only_the_whole_phrase_counts() -> None:
    ranked = expanding(VPN).rank("vpn", vector("vpn"))
    assert ranked is not None
    by_words = {passage.id: float(score) for passage, score in zip(ranked.passages, ranked.found.words, strict=True)}
    assert by_words[1] > 0
    assert by_words[3] == 0


def test_a_phrase_weighs_no_more_than_what_it_stands_for() -> None:
    ranked = expanding(VPN).rank("vpn", vector("vpn"))
    assert ranked is not None
    assert ranked.question.extra[0].weights.sum() <= ranked.question.weights.sum()


def test_without_an_alternative_nothing_changes() -> None:
    one, other = (
        finder(PASSAGES).rank("when is the office closed", vector("office")),
        expanding(VPN).rank("when is the office closed", vector("office")),
    )
    assert one is not None
    assert other is not None
    assert other.question.extra == ()
    assert (one.scores == other.scores).all()


def test_what_documents_name_is_kept_with_the_collection_and_goes_with_them(tmp_path: Path) -> None:
    documents = Documents(config.Store(path=str(tmp_path / "d.db")))
    (tmp_path / "a.md").write_text("The Virtual Private Network (VPN) needs a token.")
    (tmp_path / "b.md").write_text("A virtual private network is slow. Private parties are not virtual.")
    ingest = Ingest(documents, HashEmbedder(), config.Retrieve(), tenant="acme", collection="it")
    ingest.add([tmp_path / "a.md", tmp_path / "b.md"])
    library = Library(documents, shipped(), config.Retrieve())

    def looked_for() -> list[str]:
        found = library.finder("acme", "it").find("vpn slow", vector("vpn slow"), budget_tokens=50, count=word_count)
        return [one.also for one in found.also]

    assert looked_for() == ["Virtual Private Network"]
    library.adopt(config.Retrieve(expand=()))
    assert looked_for() == []
    library.adopt(config.Retrieve())
    documents.remove("acme", "it", ["a.md"])
    assert looked_for() == []
    documents.close()


def test_another_tenant_s_documents_name_nothing_here(tmp_path: Path) -> None:
    documents = Documents(config.Store(path=str(tmp_path / "d.db")))
    for tenant, text in (("acme", "The Virtual Private Network (VPN) needs a token."), ("globex", "A virtual private network is slow.")):
        (tmp_path / "a.md").write_text(text)
        Ingest(documents, HashEmbedder(), config.Retrieve(), tenant=tenant, collection="it").add([tmp_path / "a.md"])
    found = Library(documents, shipped()).finder("globex", "it").find("vpn slow", vector("vpn slow"), budget_tokens=50, count=word_count)
    assert found.also == ()
    documents.close()
