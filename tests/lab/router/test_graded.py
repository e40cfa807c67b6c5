"""What comes in: clear words for grades that cannot be used, and no prompt that counts twice."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from farthing.core.request import Turn
from farthing.lab.router.folds import Leak, group_folds, guard, random_folds
from farthing.lab.router.graded import GradesUnusable, for_pair, require_enough
from farthing.lab.router.read import read_graded
from tests.lab.router.samples import CHEAP, DEAR, graded


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_rows_are_read_with_system_history_and_list_content(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Why?"}, {"type": "image_url"}]}]
    file = written(tmp_path / "g.jsonl", {"messages": messages, "scores": {"a": 1, "b": 0.5}, "cost_usd": {"a": 0.1}, "endpoint": "faq"})
    rows, notes = read_graded(file, lambda _model: None)
    assert rows.prompts == ((Turn("system", "Be brief."), Turn("user", "Why?")),)
    assert rows.endpoints == ("faq",)
    assert rows.scores.tolist() == [[1.0, 0.5]]
    assert rows.costs[0, 0] == 0.1
    assert np.isnan(rows.costs[0, 1])
    assert notes == []


def test_broken_lines_are_skipped_and_shown(tmp_path: Path) -> None:
    good = {"prompt": "x", "scores": {"a": 1}}
    file = written(tmp_path / "g.jsonl", good, "{", {"prompt": "y", "scores": {"a": 7}}, {"scores": {"a": 1}})
    rows, notes = read_graded(file, lambda _model: None)
    assert len(rows) == 1
    assert "3 lines skipped: line 2" in notes[0]
    assert "line 3: score 7.0 of a is not between 0 and 1" in notes[0]


def test_a_score_that_is_no_number_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(GradesUnusable, match="line 1: NaN is no score; write null, or leave the model out"):
        read_graded(written(tmp_path / "g.jsonl", '{"prompt": "x", "scores": {"a": NaN}}'), lambda _model: None)


def test_a_file_without_a_good_row_says_what_a_row_looks_like(tmp_path: Path) -> None:
    with pytest.raises(GradesUnusable, match="A line looks like"):
        read_graded(written(tmp_path / "g.jsonl", "nonsense"), lambda _model: None)
    with pytest.raises(GradesUnusable, match="There is no file"):
        read_graded(tmp_path / "none.jsonl", lambda _model: None)


def test_an_unknown_model_is_named_with_those_that_are_there() -> None:
    with pytest.raises(GradesUnusable, match=r"No answers of 'gpt-9' are graded\. Graded models: mini, large, nano"):
        for_pair(graded(), ("gpt-9", DEAR))


def test_prompts_without_both_grades_are_left_out_and_counted() -> None:
    rows = graded()
    rows.scores[:30, 0] = np.nan
    kept, notes = for_pair(rows, (CHEAP, DEAR))
    assert len(kept) == 370
    assert notes[0].startswith("30 of 400 prompts left out")


def test_a_prompt_that_is_there_twice_counts_once_at_its_mean() -> None:
    rows = graded()
    prompts = (rows.prompts[1], *rows.prompts[1:])
    rows = replace(rows, prompts=prompts)
    rows.scores[0], rows.scores[1] = (0, 1, 0), (1, 1, 1)
    kept, notes = for_pair(rows, (CHEAP, DEAR))
    assert len(kept) == 399
    assert kept.scores[0].tolist() == [0.5, 1.0]
    assert "repeats" in notes[0]


def test_too_few_rows_and_grades_without_a_difference_are_refused() -> None:
    with pytest.raises(GradesUnusable, match="10 graded prompts are too few"):
        require_enough(graded(10))
    alike = graded()
    alike.scores[:] = 1.0
    with pytest.raises(GradesUnusable, match="'mini' and 'large' score alike on every prompt"):
        require_enough(alike)


def test_equal_prompts_share_a_fold_whatever_their_case_and_punctuation() -> None:
    rows = graded()
    shout = tuple((Turn("user", prompt[0].text.upper() + " !!"),) for prompt in rows.prompts)
    both = replace(
        rows, ids=rows.ids * 2, prompts=rows.prompts + shout, groups=rows.groups * 2, endpoints=rows.endpoints * 2,
        scores=np.tile(rows.scores, (2, 1)), costs=np.tile(rows.costs, (2, 1)), answers={}, embeddings=None,
    )  # fmt: skip
    folds = random_folds(both, 5, seed=3)
    assert (folds[:400] == folds[400:]).all()
    assert set(folds) == set(range(5))
    guard(both.take(folds != 0), both.take(folds == 0))


def test_the_guard_names_the_prompt_that_leaks() -> None:
    rows = graded()
    with pytest.raises(Leak, match="'p0' of the test set is 'p0' of the training set"):
        guard(rows, rows.take(np.arange(3)))


def test_a_group_is_never_split() -> None:
    rows = graded()
    folds = group_folds(rows, 2, seed=0)
    assert all(len({int(fold) for fold, name in zip(folds, rows.groups, strict=True) if name == group}) == 1 for group in set(rows.groups))
