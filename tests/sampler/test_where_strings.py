"""``where`` strings of all kinds, hostile ones above all: a clear error, or exactly the personas that an independent reading selects."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sampler_cases import CELLS, FEATURES

from personaevo.archive import Archive
from personaevo.errors import ConfigError
from personaevo.sampler import PersonaSampler

ALL = 160
Row = Mapping[str, float | str | None]

SOUND = [
    "words_per_turn < 0.5 and pushback_rate > 0.2", "cell in (1, 2)", "cell in (1)", "cell not in (0, 1, 2, 3)", "not cell == 0",
    "not not not cell == 0", "patience_turns > 3", "not patience_turns > 3", "patience_turns > 3 or cell == 0",
    "patience_turns > 3 and cell == 0", "patience_turns == patience_turns", "grim < 0.5 and grim > 0.1",
    "0.1 < grim <= 0.5 < words_per_turn", "p_human >= 0.5", "preservation < 1", "outcome == 'gave_up'",
    'outcome in ("gave_up", "turn_limit")', "cell_name == 'terse' or cell_name == 'angry'", "task != 'task two'",
    "task == 'task two' and cell < 1.5", "words_per_turn<.5and cell==1", "(((cell==1)))", "cell == 1 or cell == 2 and grim < 0.5",
    "words_per_turn < pushback_rate", "cell > -1", "cell > -1e308", "cell < 1e308", "cell == 1e-320", "cell == 1.0", "cell\n==\t1",
    "cell == 1 and not (grim < 0.5 or pushback_rate < 0.3)", "outcome not in ('completed')", "words_per_turn == 9",
    "words_per_turn > 0.4 or words_per_turn <= 0.4", "cell_name != 'nobody'", "cell_name == task",
]  # fmt: skip
SQL = [
    "1=1", "1 == 1", "' OR '1'='1", "cell == 1; DROP TABLE personas", "cell == 1; DROP TABLE personas; --", "cell == 1 --",
    "cell == 1 /* x */", "cell == 1 UNION SELECT * FROM programs", "cell IN (SELECT cell FROM elites)", "cell in (select 1)",
    "task == 'x'; DELETE FROM runs; --'", "task == '' OR 1=1", "task == ''''", "task == 'a''b'", "task LIKE '%'", "task like 'x'",
    "cell BETWEEN 1 AND 2", "cell IS NULL", "cell is not null", "true", "TRUE OR cell == 1", "NULL", "cell == NULL", "cell = 1",
    "cell <> 1", "cell == 1 OR TRUE", "EXISTS (SELECT 1)", "read_csv('/etc/passwd')", "COPY personas TO '/tmp/x'", "ATTACH '/tmp/x'",
    "PRAGMA database_list", "cell == (SELECT 1)", "cell == ?", "cell == $1", "cell == :x", "cell::INT == 1", "CAST(cell AS INT) == 1",
    "case when 1 then 1 end", "cell == 1 LIMIT 1", "cell == 1 ORDER BY 1", "[cell] == 1", "`cell` == 1", '"cell" == 1', "cell == \"1\"",
]  # fmt: skip
PYTHON = [
    "__import__('os').system('true')", "__class__", "cell.__class__", "cell.__class__ == 1", "().__class__.__bases__[0]",
    "__builtins__ == 1", "cell.real == 1", "cell[0] == 1", "cell() == 1", "eval('1') == 1", "exec('x')", "open('/etc/passwd')",
    "lambda: 1", "[x for x in (1,)]", "{'a': 1}", "f'{cell}' == 'x'", "rb'x' == 1", "cell := 1", "cell if 1 else 2", "cell ** 2 == 1",
    "cell + 1 == 2", "-cell == 1", "~cell == 1", "cell // 1 == 1", "cell @ 1", "cell and grim", "cell or grim", "not cell", "cell is 1",
    "cell is not 1", "cell == True", "cell == None", "import os", "yield", "await x", "cell == 1 if True else 2", "*cell == 1",
    "cell == 1_000", "cell == 0x10", "cell == 1j", "cell == 0b1", "self == 1", "where == 1", "_root == 1", "text == ''", "cell <= 1 >= 0",
    "cell == 1 == 1", "1 < cell < 3", "__name__ == 'x'", "globals() == 1", "print(cell)", "..cell == 1", "cell...", "cell == ...",
]  # fmt: skip
NUMBERS = [
    "cell == 1e999", "cell < 1e309", "cell < -1e309", "cell == nan", "cell == inf", "cell == -inf", "cell == NaN", "cell == Infinity",
    "cell == " + "9" * 400, "cell < " + "9" * 300, "cell == 1e", "cell == e1", "cell == 1e+", "cell == .", "cell == ..1", "cell == 1..2",
    "cell == 1.2.3", "cell == --1", "cell == +-1", "cell == + 1", "cell == 00001", "cell == 1e-400", "cell > -0",
    "cell == 1e0000000000000000000000001", "cell == 1,5", "cell == 1 000", "cell == " + "1" * 1_900, "cell == 0." + "0" * 1_800 + "1",
]  # fmt: skip
UNICODE = [
    "сell == 1", "cеll == 1", "ｃｅｌｌ == 1", "cell ＝＝ 1", "cell == １", "cell == ١", "cell == ²", "cell == Ⅳ", "cell ≤ 1", "cell ≥ 1",
    "cell ≠ 1", "cell＜1", "cell\u200b == 1", "cell\u00a0== 1", "cell ==\u30001", "\ufeffcell == 1", "\u202ecell == 1", "cell == 1\u2028",
    "cell\u0300 == 1", "task == '\u202e'", "task == ‘x’", "task == “x”", "task == '\U0001f600'", "𝐜𝐞𝐥𝐥 == 1", "ﬁrst == 1",
    "cell == 1\u0000", "\u0000", "task == '\u0000'", "\ud800 == 1", "task == '\ud800'", "task == 'task\u0000two'", "cell == 1\x1b[31m",
    "\x1b]0;x\x07", "task == '\x1b[2J'", "\x7f", "cell\x08 == 1", "cell == 1\r\n", "\r", "\n", "\t \n",
]  # fmt: skip
SHAPES = [
    "", " ", "(", ")", "()", "((", "cell", "cell ==", "== 1", "cell == 1 and", "and cell == 1", "or", "not", "in", "cell in", "cell in (",
    "cell in ()", "cell in (1", "cell in (1,)", "cell in (,1)", "cell in 1", "cell not 1", "cell not in", "cell == 1 cell == 2",
    "cell == 1 and and cell == 2", "cell == (1)", "(cell) == 1", "cell == 1)", "(cell == 1", "cell in ((1))", "cell == 'x'", "task == 1",
    "task < 'x'", "'a' == 'a'", "'a' in ('a')", "task == 'x", 'task == "x', "task == 'x\"", "cell == 1,", ",", "cell, grim == 1", "&&",
    "cell == 1 && cell == 1", "cell == 1 || cell == 1", "!cell == 1", "cell ! = 1", "cell = = 1", "cell === 1", "cell => 1", "cell =< 1",
    "(" * 50 + "cell == 1" + ")" * 50, "(" * 51 + "cell == 1" + ")" * 51, "(" * 1_999, "not " * 400 + "cell == 1",
    "not " * 401 + "cell == 1", "cell == 1" + " or cell == 1" * 140, "cell == 1" + " and cell == 1" * 130,
    "cell in (" + "1," * 900 + "1)", "cell == 1".ljust(2_000), "cell == 1".ljust(2_001), "x" * 2_000, "x" * 1_000_000, "'" * 1_999,
    "task == '" + "x" * 1_900 + "'", "cell == 1 " * 190, "<" * 500, "cell " + "< cell " * 250, "\\", "cell == 1\\", "#", "cell # 1", "%s",
    "%(cell)s == 1", "{cell} == 1", "${cell} == 1", "../../etc/passwd", "<script>alert(1)</script>", "[red]cell[/red] == 1",
]  # fmt: skip
TEXTS = [*SOUND, *SQL, *PYTHON, *NUMBERS, *UNICODE, *SHAPES]


@pytest.fixture(scope="module")
def rows(stored_archive: Path, stored: PersonaSampler) -> dict[str, Row]:
    """What is known of each stored persona, from the archive's own episodes, by the sampler's id."""
    found = {}
    with Archive.read(stored_archive) as archive:
        episodes = {
            (commit.candidate.program.id, one.item.task_id, one.persona.id): one
            for commit in archive.commits(1) for one in archive.episodes(1, commit.candidate.number) if one.persona
        }  # fmt: skip
    for persona in stored.sample(n=ALL):
        one = episodes[persona.program, persona.task, persona.id.split("-")[-1]]
        assert one.cell is not None
        assert one.persona is not None
        found[persona.id] = {
            **dict(zip(FEATURES, one.fingerprint, strict=True)), "patience_turns": one.persona.dials.get("patience_turns"),
            "grim": one.persona.behaviors["grim"], "cell": float(one.cell), "cell_name": str(CELLS[one.cell]["name"]),
            "task": one.item.task_id, "outcome": one.outcome, "p_human": one.p_human, "preservation": one.preservation,
        }  # fmt: skip
    return found


# The independent reading: Python's own parser, and Kleene's logic in numbers (0 false, ½ unknown, 1 true).
SIGNS: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


def _selected(text: str, rows: Mapping[str, Row]) -> set[str]:
    """Whom a condition selects. Texts in quotes become names, as Python would read escapes in them; blanks, zeros
    before a number and words right after one are made Python's."""
    texts: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        texts[f"_{len(texts)}"] = found[0][1:-1]
        return f" _{len(texts) - 1} "

    named = re.sub(r"'[^']*'|\"[^\"]*\"", name, text)
    plain = re.sub(r"(?<![\w.])0+(?=[0-9])", "", re.sub(r"\s", " ", named))
    plain = re.sub(r"([0-9])(and|or|in|not)\b", r"\1 \2", plain)
    meaning = ast.parse(f"({plain})", mode="eval").body
    return {who for who, row in rows.items() if truth(meaning, {**row, **texts}) == 1}


def truth(node: ast.expr, row: Row) -> float:
    """How true a condition is."""
    if isinstance(node, ast.BoolOp):
        return (min if isinstance(node.op, ast.And) else max)(truth(part, row) for part in node.values)
    if isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.Not)
        return 1 - truth(node.operand, row)
    assert isinstance(node, ast.Compare)
    values = [node.left, *node.comparators]
    return min(_pair(sign, left, right, row) for sign, left, right in zip(node.ops, values, values[1:], strict=False))


def _pair(sign: ast.cmpop, left: ast.expr, right: ast.expr, row: Row) -> float:
    if isinstance(sign, ast.In | ast.NotIn):
        members = right.elts if isinstance(right, ast.Tuple) else [right]
        inside = max(_pair(ast.Eq(), left, member, row) for member in members)
        return inside if isinstance(sign, ast.In) else 1 - inside
    one, two = _value(left, row), _value(right, row)
    return 0.5 if one is None or two is None else float(SIGNS[type(sign)](one, two))


def _value(node: ast.expr, row: Row) -> float | str | None:
    if isinstance(node, ast.Name):
        return row[node.id]
    value = ast.literal_eval(node)
    assert isinstance(value, int | float | str)
    return value if isinstance(value, str) else float(value)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_where_string(stored: PersonaSampler, rows: Mapping[str, Row], text: str) -> None:
    before = stored.sample(n=3)
    try:
        found = {persona.id for persona in stored.sample(n=ALL, where=text)}
    except ConfigError as error:
        message = str(error)
        assert message.startswith("where")
        assert message.isprintable()
        assert len(message) < 2 * 2_000 + 400
        if not message.startswith("where: no persona of 160 matches"):
            assert text not in SOUND
            return
        found = set()
    assert found == _selected(text, rows)
    assert stored.sample(n=3) == before


def test_there_are_enough_of_them() -> None:
    assert len(set(TEXTS) - set(SOUND)) >= 200


def test_the_error_tells_which_part_matches_nobody(stored: PersonaSampler) -> None:
    with pytest.raises(ConfigError, match=r"no persona of 160 matches; 'words_per_turn < -1' matches none of them: ask for less"):
        stored.sample(where="cell == 1 and words_per_turn < -1")
    with pytest.raises(ConfigError, match=r"no persona of 80 matches; each part matches some \('cell == 1' \d+, 'cell == 2' \d+\)"):
        stored.sample("task two", where="cell == 1 and cell == 2")
    with pytest.raises(ConfigError, match=r"there is no name 'words_per_trun'; did you mean words_per_turn"):
        stored.sample(where="words_per_trun < 3")


def test_features_are_as_measured_and_the_other_dials_as_asked_for(stored: PersonaSampler) -> None:
    """All ask for 9 words a turn and have an axis of that name at ½; what was measured is between 0 and 1."""
    assert len({persona.id for persona in stored.sample(n=ALL, where="words_per_turn <= 1")}) == ALL
    asked = stored.sample(n=ALL, where="patience_turns >= 0")
    assert all("patience_turns" in persona.dials for persona in asked)
    assert stored.names["cell_name"] is str
    assert {"grim", "patience_turns", "words_per_turn", "p_human"} <= set(stored.names)
