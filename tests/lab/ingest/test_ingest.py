"""Files into a collection: what changed, what cannot be read, what is done again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing import config
from farthing.lab.ingest.run import Ingest, Report
from farthing.stores.sqlite.documents import Documents
from tests.brain.retrieve.rig import HashEmbedder

SECTION = "".join(f"Sentence number {number} speaks of something that is worth a chunk of its own. " for number in range(12))
PAGE = """<html><head><title>t</title><script>evil()</script></head><body><nav>menu</nav><h1>Returns</h1><p>Thirty
days.</p><h2>Damaged &amp; lost</h2><p>Free <b>of charge</b>.</p></body></html>"""


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    opened = Documents(config.Store(path=str(tmp_path / "d.db")))
    yield opened
    opened.close()


def bring(
    documents: Documents, *paths: Path, embedder: HashEmbedder | None = None, settings: config.Retrieve | None = None, again: bool = False
) -> Report:
    ingest = Ingest(documents, embedder or HashEmbedder(), settings or config.Retrieve(), tenant="acme", collection="faq")
    return ingest.add(paths, again=again)


def texts(documents: Documents) -> list[str]:
    return [one.text for one in documents.chunks("acme", "faq", [row.id for row in documents.index_rows("acme", "faq")])]


def test_only_what_changed_is_embedded_again(documents: Documents, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text(f"# One\n\n{SECTION}\n# Two\n\n{SECTION}")
    (folder / "b.md").write_text("# Other\n\nA short one.")
    first = bring(documents, folder)
    assert (first.added, first.embedded) == (2, first.chunks)
    (folder / "a.md").write_text(f"# One\n\n{SECTION}\n# Two\n\nNew words first. {SECTION}")
    embedder = HashEmbedder()
    second = bring(documents, folder, embedder=embedder)
    assert (second.changed, second.unchanged) == (1, 1)
    assert 0 < second.embedded < second.chunks
    assert not [text for text in embedder.texts if "a > One" in text]
    assert {one.name: one.version for one in documents.documents("acme")} == {"a.md": 2, "b.md": 1}
    whole = documents.chunks("acme", "faq", [row.id for row in documents.index_rows("acme", "faq")])
    assert all(len(one.sentences) == len(one.spans) * 64 for one in whole)


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(documents: Documents, tmp_path: Path) -> None:
    bad = {
        "empty.md": b"",
        "latin.txt": "Grüße aus Köln".encode("latin-1"),
        "binary.txt": bytes(range(32)) * 20,
        "broken.pdf": b"%PDF-1.7 nothing",
        "broken.docx": b"PK\x03\x04 nothing",
        "huge.txt": b"x" * 2_000_000,
        "tool.exe": b"MZ",
    }
    for name, blob in bad.items():
        (tmp_path / name).write_bytes(blob)
    (tmp_path / "good.txt").write_text("All is well here.")
    paths = [*(tmp_path / name for name in bad), tmp_path / "missing.md", tmp_path / "good.txt"]
    report = bring(documents, *paths, settings=config.Retrieve(max_file_mb=1))
    assert report.added == 1
    problems = {Path(path).name: problem for path, problem in report.problems}
    assert problems.keys() == {*bad, "missing.md"}
    assert "iconv" in problems["latin.txt"]
    assert "max_file_mb" in problems["huge.txt"]
    assert "no format" in problems["tool.exe"]
    assert "broken" in problems["broken.pdf"]


def test_html_is_what_a_reader_sees(documents: Documents, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    bring(documents, tmp_path / "page.html")
    said = " ".join(texts(documents))
    assert "Thirty days." in said
    assert "Free of charge." in said
    assert "evil" not in said
    assert "menu" not in said


def test_utf16_and_a_byte_order_mark_are_read(documents: Documents, tmp_path: Path) -> None:
    (tmp_path / "wide.txt").write_text("Grüße aus Köln", encoding="utf-16")
    (tmp_path / "marked.txt").write_text("Noch mehr Grüße", encoding="utf-8-sig")
    assert bring(documents, tmp_path / "wide.txt", tmp_path / "marked.txt").added == 2
    assert sorted(texts(documents)) == ["Grüße aus Köln", "Noch mehr Grüße"]


def test_docx_and_pdf(documents: Documents, tmp_path: Path) -> None:
    import docx
    from pypdf import PdfWriter

    paper = docx.Document()
    paper.add_heading("Holiday", 1)
    paper.add_paragraph("Twenty-eight days a year.")
    paper.save(str(tmp_path / "p.docx"))
    writer = PdfWriter()
    writer.add_blank_page(72, 72)
    with (tmp_path / "blank.pdf").open("wb") as file:
        writer.write(file)
    writer.encrypt("secret")
    with (tmp_path / "locked.pdf").open("wb") as file:
        writer.write(file)
    report = bring(documents, tmp_path / "p.docx", tmp_path / "blank.pdf", tmp_path / "locked.pdf")
    assert texts(documents) == ["Twenty-eight days a year."]
    problems = {Path(path).name: problem for path, problem in report.problems}
    assert "OCR" in problems["blank.pdf"]
    assert "encrypted" in problems["locked.pdf"]


def test_a_name_cannot_be_taken_for_a_version(documents: Documents, tmp_path: Path) -> None:
    (tmp_path / "a@2.md").write_text("Words.")
    bring(documents, tmp_path / "a@2.md")
    assert documents.documents("acme")[0].source == "faq/a%402.md@1"


def test_stopped_and_started_again_it_goes_on(documents: Documents, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(f"Text of {name}.")

    def stop(name: str, _done: int, _of: int) -> None:
        if name == "b.txt":
            raise KeyboardInterrupt

    paths = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    ingest = Ingest(documents, HashEmbedder(), config.Retrieve(), tenant="acme", collection="faq")
    with pytest.raises(KeyboardInterrupt):
        ingest.add(paths, stop)
    report = bring(documents, *paths)
    assert (report.added, report.unchanged) == (2, 1)
