"""References: building, saving, halving, and the packaged ones."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import build_references
from personaevo import content, definitions, reference
from personaevo.errors import ContentError, DialoguesWarning, InputError, ReferenceDataError
from personaevo.measure import dynamics
from personaevo.measure.agreement import Ratio, Ratios
from personaevo.records import Dialogue, Turn

GROUPS = ("bank", "cafe", "shop")
ZEROS = [0] * 19


def dialogue(number: int, *texts: str, **fields: object) -> Dialogue:
    turns = tuple(Turn(role="user", content=text) for text in texts or (f"Hello, it is {number}", "yes please", "ok"))
    return Dialogue.model_validate({"id": f"d{number}", "turns": turns, "domain": GROUPS[number % 3], **fields})


def built(dialogues: list[Dialogue]) -> reference.Reference:
    return reference.build(dialogues, domain="test", corpus="a corpus", license="MIT")


MANY = [dialogue(number, user_id=f"secret {number // 2}") for number in range(80)]


def test_build_keeps_figures_and_provenance_but_no_texts(tmp_path: Path) -> None:
    made = built(MANY)
    assert (made.domain, made.corpus, made.license, made.kind) == ("test", "a corpus", "MIT", "human")
    assert made.names == definitions.features().names
    assert made.values.shape == (80, len(made.names))
    assert made.groups[:3] == GROUPS
    assert made.people[:4] == ("p0", "p0", "p1", "p1")
    assert (made.counts.dialogues, made.counts.people, made.counts.dropped) == (80, 40, 0)
    reference.save(made, tmp_path / "r.jsonl")
    text = (tmp_path / "r.jsonl").read_text("utf-8")
    assert "Hello" not in text
    assert "secret" not in text


def test_dialogues_with_fewer_than_two_turns_with_words_are_dropped_and_counted() -> None:
    made = built([*MANY, dialogue(90, "hello"), dialogue(91, "hello", "...", "")])
    assert (len(made), made.counts.dropped) == (80, 2)


def test_losses_are_those_of_the_whole_corpus() -> None:
    bare = [dialogue(number, "hello", "it is me") for number in range(64)]
    assert built(bare).losses == ("case", "punctuation")
    assert built([*bare, dialogue(70, "hello", "it is Me")]).losses == ("punctuation",)
    assert built([*bare, dialogue(70, "hello", "It's me")]).losses == ()


def test_one_kind_of_business_is_no_group_and_unknown_people_are_distinct() -> None:
    made = built([dialogue(number, domain="bank") for number in range(64)])
    assert set(made.groups) == {""}
    assert len(set(made.people)) == 64
    assert made.counts.people is None


def test_the_task_stands_for_the_person_where_a_model_plays_the_user() -> None:
    trials = [dialogue(number, user_kind="llm", task=f"task {number % 16}") for number in range(64)]
    made = built(trials)
    assert (made.kind, made.counts.people) == ("llm", 16)
    people = built([dialogue(number, task=f"task {number % 16}") for number in range(64)])
    assert people.counts.people is None


def test_too_few_dialogues_are_refused_in_one_line() -> None:
    with pytest.raises(ReferenceDataError) as caught:
        built([dialogue(1), dialogue(2), dialogue(3), dialogue(4, "hello")])
    message = str(caught.value)
    assert "got 3 dialogues" in message
    assert "at least 64 are needed" in message
    assert "1 more have fewer than 2 user turns" in message
    assert "\n" not in message


def lines_of(path: Path, dialogues: list[Dialogue]) -> Path:
    path.write_text("".join(one.model_dump_json() + "\n" for one in dialogues), "utf-8")
    return path


def long(number: int, **fields: object) -> Dialogue:
    rng = np.random.default_rng(number)
    return dialogue(number, *(" ".join(f"w{word}" for word in rng.integers(0, 300, rng.integers(8, 60))) for _ in range(3)), **fields)


def test_repeats_are_left_out_and_never_on_both_sides() -> None:
    new = [long(number, user_id=f"u{number // 2}") for number in range(80)]
    again = [one.model_copy(update={"id": f"again {one.id}", "user_id": f"other {one.user_id}"}) for one in new[:30]]
    nearly = [dialogue(200 + index, *one.user_texts(), "thanks", user_id=f"third {index}") for index, one in enumerate(new[40:60])]
    made = built([*again, *new, *nearly])
    assert (len(made), made.counts.dropped) == (80, 0)
    assert made.notes == ("50 more repeat an earlier dialogue, word for word or nearly so",)
    assert built(new).notes == ()
    halves = reference.split(made, 0)
    rows = [set(map(tuple, half.values.tolist())) for half in halves]
    assert rows[0].isdisjoint(rows[1])
    with pytest.raises(ReferenceDataError, match=r"got 50 dialogues \(50 more repeat an earlier dialogue"):
        built([*new[:50], *(one.model_copy(update={"id": f"x{one.id}"}) for one in new[:50])])


@pytest.mark.parametrize(
    ("name", "text"),
    [("Chinese", "我想改航班，谢谢你"), ("Japanese", "フライトを変更したい。東京"), ("Thai", "ฉันต้องการเปลี่ยนเที่ยวบิน"), ("Khmer", "ខ្ញុំចង់")],
)
def test_languages_whose_words_cannot_be_counted_are_refused_by_name(name: str, text: str) -> None:
    foreign = [dialogue(100 + number, f"{text} {number}", text) for number in range(70)]
    with pytest.raises(ReferenceDataError) as caught:
        built([long(1), *foreign])
    why = "whose words are not set apart by blanks, so that they cannot be counted"
    assert f"got 1 dialogues (70 more are in {name}, {why})" in str(caught.value)
    made = built([*MANY, *foreign])
    assert len(made) == len(MANY)
    assert made.notes[0].startswith(f"70 more are in {name}, whose words")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("German", "Ich möchte bitte meinen Flug umbuchen, wie kann ich das machen?"),
        ("Spanish", "Hola, quiero cambiar mi vuelo por favor, ¿cómo puedo hacer eso?"),
        ("French", "Bonjour, je veux changer mon vol, comment est-ce que je fais ?"),
        ("Russian", "Я хочу изменить свой рейс"),
        ("Korean", "항공편을 바꾸고 싶어요"),
        ("Arabic", "أريد تغيير رحلتي"),
    ],
)
def test_languages_that_the_lexicons_are_not_of_are_told_by_name(tmp_path: Path, name: str, text: str) -> None:
    foreign = [dialogue(100 + number, f"{text} {number}", text) for number in range(20)]
    made = built([*MANY, *foreign])
    assert len(made) == 100
    (note,) = made.notes
    assert note.startswith(f"20 of 100 dialogues are not in English but in {name}")
    assert built([*MANY, *foreign[:4]]).notes == ()  # a few are nothing to speak of
    reference.save(made, tmp_path / "r.jsonl")
    assert reference.load(tmp_path / "r.jsonl").notes == made.notes
    with pytest.warns(DialoguesWarning, match=rf"r.jsonl: 20 of 100 dialogues are not in English but in {name}"):
        reference.read(tmp_path / "r.jsonl", domain="d")


def test_too_few_people_are_refused_in_one_line(tmp_path: Path) -> None:
    for people, said in ((1, "80 dialogues of a single person"), (3, "80 dialogues of 3 people"), (19, "80 dialogues of 19 people")):
        few = [dialogue(number, user_id=f"u{number % people}") for number in range(80)]
        with pytest.raises(ReferenceDataError, match=rf"{said} \(by user_id.*\): too few people to keep some aside, at least 20") as caught:
            built(few)
        assert "\n" not in str(caught.value)
    assert built([dialogue(number, user_id=f"u{number % 20}") for number in range(80)]).counts.people == 20
    models = [dialogue(number, user_kind="llm", task=f"task {number % 4}") for number in range(80)]
    assert built(models).counts.people == 4  # a figure of a simulator is not split
    with pytest.raises(ReferenceDataError, match="80 dialogues of 4 people"):
        reference.read(lines_of(tmp_path / "d.jsonl", models), domain="d")


def test_people_and_models_are_not_mixed() -> None:
    with pytest.raises(ReferenceDataError, match="mixed"):
        built([*MANY, dialogue(90, user_kind="llm")])


def test_what_was_saved_comes_back_exactly(tmp_path: Path) -> None:
    made = built(MANY)
    reference.save(made, tmp_path / "r.jsonl")
    back = reference.load(tmp_path / "r.jsonl")
    assert np.array_equal(back.values, made.values)
    assert np.array_equal(back.dynamics, made.dynamics)
    assert back.typing is not None
    assert made.typing is not None
    assert np.array_equal(back.typing, made.typing, equal_nan=True)
    assert replace(back, values=made.values, dynamics=made.dynamics, typing=made.typing) == made
    reference.save(back, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "r.jsonl").read_bytes()


def test_how_people_type_is_kept_where_the_text_shows_it(tmp_path: Path) -> None:
    made = built(MANY)
    assert made.typing is not None
    assert made.typing.shape == (80, len(definitions.typing().names))
    assert np.isnan(made.typing[:, made.typing_names.index("short_ok")]).sum() == 0
    assert np.isnan(made.typing[:, made.typing_names.index("lower_i")]).all()
    half, other = (part.typing for part in reference.split(made, 1))
    assert half is not None
    assert other is not None
    assert len(half) + len(other) == 80
    bare = built([dialogue(number, "hello", "it is me") for number in range(64)])
    assert (bare.typing, bare.typing_names) == (None, ())
    only_case = built([dialogue(number, "hello", "it is Me") for number in range(64)])
    assert "lower_start" in only_case.typing_names
    assert "full_stop" not in only_case.typing_names


def test_files_without_habits_or_with_others_load_all_the_same(tmp_path: Path) -> None:
    path, lines = _saved(tmp_path)
    header, *rows = map(json.loads, lines)
    older = [{name: value for name, value in row.items() if not name.startswith("typing")} for row in (header, *rows)]
    for changed in (older, [{**header, "typing_version": 99}, *rows]):
        path.write_text("\n".join(map(json.dumps, changed)), "utf-8")
        back = reference.load(path)
        assert back.typing is None
        assert len(back) == 80
    path.write_text("\n".join(map(json.dumps, [header, {**rows[0], "typing": [1.0]}, *rows[1:]])), "utf-8")
    with pytest.raises(InputError, match=r"field 'typing': expected 24 finite numbers"):
        reference.load(path)


def _saved(folder: Path) -> tuple[Path, list[str]]:
    path = folder / "r.jsonl"
    reference.save(built(MANY), path)
    return path, path.read_text("utf-8").splitlines()


def test_another_feature_set_must_be_rebuilt(tmp_path: Path) -> None:
    path, lines = _saved(tmp_path)
    path.write_text("\n".join([json.dumps({**json.loads(lines[0]), "feature_version": 99}), *lines[1:]]), "utf-8")
    with pytest.raises(ReferenceDataError, match=r"feature set 99.*rebuild"):
        reference.load(path)


def test_older_formats_and_other_dynamics_must_be_rebuilt(tmp_path: Path) -> None:
    path, lines = _saved(tmp_path)
    header = json.loads(lines[0])
    for change, message in (({"reference": 1}, "of format 1"), ({"dynamics_names": ["user_turns"]}, "other dynamics")):
        path.write_text("\n".join([json.dumps({**header, **change}), *lines[1:]]), "utf-8")
        with pytest.raises(ReferenceDataError, match=rf"{message}.*: rebuild it with 'personaevo reference build'$"):
            reference.load(path)


@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (0, '{"id": "d1", "turns": []}', "line 1: field 'reference': expected the header"),
        (3, '{"person": "p1", "group": "", "values": [1, 2], "dynamics": []}', "line 4: field 'values': expected 19 finite numbers"),
        (3, '{"person": "p1", "group": "", "values": "x"}', "line 4: field 'values' of a"),
        (3, f'{{"person": "p", "group": "", "values": {ZEROS}}}', "line 4: field 'dynamics' of a"),
        (
            3,
            f'{{"person": "p", "group": "", "values": {ZEROS}, "dynamics": [1]}}',
            "line 4: field 'dynamics': expected 14 finite",
        ),
        (3, '{"person": "p1", "group"', "line 4: expected JSON"),
        (3, "", "expected 80 dialogues as its header says, got 79"),
    ],
)
def test_a_damaged_file_is_an_input_error(tmp_path: Path, number: int, line: str, message: str) -> None:
    path, lines = _saved(tmp_path)
    lines[number] = line
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(InputError) as caught:
        reference.load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        reference.save(built(MANY), tmp_path / "nowhere" / "r.jsonl")


def talk(number: int, person: str | None, words: int, turns: int = 7) -> Dialogue:
    rng = np.random.default_rng(number)
    texts = [" ".join(rng.choice(["yes", "please", "red", "blue", "b7"], max(1, words + rng.integers(3)))) for _ in range(turns)]
    return dialogue(number, *texts, user_id=person, domain="shop")


def test_dynamics_are_those_of_the_dialogues_and_keep_a_person_apart() -> None:
    made = built(MANY)
    texts = [one.user_texts() for one in MANY]
    expected = dynamics.measure(texts, definitions.features(), made.people)
    assert made.dynamics_names == dynamics.NAMES
    assert made.dynamics == pytest.approx(expected, rel=1e-3)
    assert not made.dynamics.flags.writeable
    assert made.digest == replace(made, dynamics=made.dynamics + 1).digest


def test_agreement_is_measured_on_people_with_several_dialogues() -> None:
    made = built([talk(number, f"u{number // 2}", 2 + number // 2 % 9) for number in range(80)])
    assert made.agreement is not None
    assert (made.agreement.kind, made.agreement.people) == ("retest", 40)
    assert made.agreement.low < made.agreement.value < made.agreement.high
    assert made.agreement.value > 0.1
    halves = reference.split(made, 0)
    assert [half.agreement for half in halves] == [made.agreement] * 2
    assert [len(half.dynamics) for half in halves] == [len(half) for half in halves]


def test_agreement_is_estimated_from_halves_where_nobody_comes_twice() -> None:
    once = [talk(number, None, 2 + number % 9) for number in range(80)]
    made = built(once).agreement
    assert made is not None
    assert (made.kind, made.people) == ("odd_even", 80)
    one = Ratio(ratio=1.0, ratio_se=0.0, retest=0.2, retest_se=0.0)
    halved = reference.build(once, domain="t", corpus="c", license="l", ratios=Ratios(charity=one, support=one)).agreement
    assert halved is not None
    assert made.value == pytest.approx(halved.value * reference.installed_ratios().charity.ratio, rel=1e-3)
    assert made.value - 1.96 * made.se <= made.low + 1e-3
    assert made.low < made.value < made.high <= made.value + 1.96 * made.se + 1e-3


def test_what_tells_nothing_of_agreement_has_none() -> None:
    assert built([talk(number, None, 4, turns=4) for number in range(80)]).agreement is None
    models = [dialogue(number, user_kind="llm", task=f"task {number % 40}") for number in range(80)]
    assert built(models).agreement is None


def test_halves_share_no_person_and_halve_every_group() -> None:
    whole = built([dialogue(number, user_id=f"u{number // 6}{number % 3}") for number in range(240)])
    search, held_out = reference.split(whole, seed=3)
    assert set(search.people).isdisjoint(held_out.people)
    assert sorted([*search.people, *held_out.people]) == sorted(whole.people)
    for group in GROUPS:
        people = [
            {p for p, g in zip(half.people, half.groups, strict=True) if g == group} for half in (search, held_out)
        ]
        assert abs(len(people[0]) - len(people[1])) <= 1
    assert search.counts.dialogues == len(search) == len(search.values)
    assert search.counts.people == len(set(search.people))


def test_halves_depend_on_the_seed_alone() -> None:
    whole = built(MANY)
    assert reference.split(whole, 1)[0].people == reference.split(whole, 1)[0].people
    assert reference.split(whole, 1)[0].people != reference.split(whole, 2)[0].people
    assert reference.split(whole, 1)[0].counts.people == 20


PACKAGED = {"service": (1121, None), "charity": (768, 565), "camping": (792, None), "taubench_llm": (200, 101)}


AGREE = {"service": ("odd_even", 0.15), "charity": ("retest", 0.25), "camping": ("odd_even", 0.16), "taubench_llm": None}


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged(name: str) -> None:
    made = reference.packaged(name)
    assert (made.counts.dialogues, made.counts.people) == PACKAGED[name]
    assert made.kind == ("llm" if name == "taubench_llm" else "human")
    assert made.losses == (("case", "punctuation") if name == "service" else ())
    assert not made.values.flags.writeable
    assert made.dynamics.shape == (len(made), len(dynamics.NAMES))
    assert AGREE[name] == (made.agreement and (made.agreement.kind, round(made.agreement.value, 2)))


def test_service_has_six_kinds_of_business() -> None:
    assert len(Counter(reference.packaged("service").groups)) == 6


def test_a_reference_that_is_not_installed() -> None:
    with pytest.raises(ContentError, match="installed are camping, charity, service, taubench_llm"):
        reference.packaged("../secrets")


@pytest.mark.skipif(not build_references.DATA.is_dir(), reason=f"the corpora are not at {build_references.DATA}")
@pytest.mark.parametrize("source", build_references.SOURCES, ids=lambda source: source.name)
def test_packaged_references_are_those_of_the_installed_features(
    source: build_references.Source, tmp_path: Path
) -> None:
    reference.save(build_references.build(source), tmp_path / "new.jsonl")
    packaged = content.root("fitness") / "references" / f"{source.name}.jsonl"
    same = packaged.read_bytes() == (tmp_path / "new.jsonl").read_bytes()
    assert same, "stale after a change of fitness/features.toml: run python -m benchmarks.build_references"


@pytest.mark.skipif(not build_references.DATA.is_dir(), reason=f"the corpora are not at {build_references.DATA}")
def test_packaged_ratios_are_those_of_the_installed_features() -> None:
    packaged = content.root("fitness") / "references" / "agreement.toml"
    text, ratios = build_references.measure_ratios()
    assert packaged.read_text("utf-8") == text, "stale: run python -m benchmarks.build_references"
    assert reference.installed_ratios() == ratios


def test_the_builder_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_references.main(["--data", str(tmp_path / "none")]) == 1
    assert "give the one that holds multidogo" in capsys.readouterr().err
    assert build_references.main(["--data", str(tmp_path)]) == 1
    assert "no such file" in capsys.readouterr().err
