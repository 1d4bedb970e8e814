"""The embedded roles: common random numbers, pieces of dialogues on the scale of whole ones, shrinkage, sentences without numbers."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from personaevo import content, definitions
from personaevo.errors import ConfigError, ReferenceDataError, ReplyError
from personaevo.readers import read_tasks
from personaevo.refine import features
from personaevo.refine.items.behavior import Behavior, Parts, TextItem, split
from personaevo.refine.profile import Profile
from personaevo.refine.roles.base import (
    SHARES,
    Analysis,
    EmbeddedAnalyst,
    EmbeddedPlayer,
    EmbeddedRefiner,
    RolePlay,
    dial_targets,
    supporting_items,
)
from personaevo.refine.roles.population import Corpus, FeatureSpace, Population, of_reference, shrunk
from tests.refine.refine_cases import crowd, dialogue, person, population

NAMES = definitions.features().names
LENGTH = NAMES.index("words_per_turn")
ITEM = dialogue("a", 5, random.Random(1))


def player() -> EmbeddedPlayer:
    return EmbeddedPlayer(definitions.domain("charity"), read_tasks(definitions.domain_files("charity").tasks))


def test_equal_seeds_give_equal_plays_whatever_the_words_and_the_item() -> None:
    dials = {"words_per_turn": 6.0}
    plain, wordy = Profile(dials=dials), Profile(dials=dials).updated("goals", *Profile(sections={"goals": ("You want it.",)}).claims)
    first = player().play(plain, [ITEM], 3, 7)
    again = player().play(wordy, [ITEM, dialogue("b", 9, random.Random(2))], 3, 7)
    assert [(one.item_id, one.sample) for one in again] == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]
    shown = [one.fingerprint for one in first]
    assert all(row is not None for row in shown)
    np.testing.assert_array_equal(shown, [one.fingerprint for one in again[:3]])
    np.testing.assert_array_equal(shown, [one.fingerprint for one in again[3:]])
    assert not np.array_equal(shown, [one.fingerprint for one in player().play(plain, [ITEM], 3, 8)])


def test_dials_steer_the_plays() -> None:
    one = player()
    means = [
        np.mean([play.fingerprint for play in one.play(Profile(dials={"words_per_turn": words}), [ITEM], 8, 1)], axis=0)[LENGTH]
        for words in (3.0, 30.0)
    ]
    assert means[0] < 8 < means[1]


def test_what_is_no_dialogue_needs_a_model() -> None:
    with pytest.raises(ConfigError, match="played by a model only: give one, such as --model user="):
        player().play(Profile(), [TextItem(id="t", text="Well.")], 2, 1)


# --- others


def test_nobody_is_among_their_own_others() -> None:
    people = crowd(14)
    known = Corpus(people)
    others = known.others("p00", "user")
    assert others is not None and len(others.whole) == 26
    without = Corpus(one for one in people if one.person != "p00").others("somebody", "user")
    assert without is not None
    np.testing.assert_array_equal(others.whole, without.whole)
    assert known.others("p00", "assistant") is None  # nobody was
    assert Corpus(people[:10]).others("p00", "user") is None  # 18 dialogues are too few
    shared, own = known.background("p00"), known.background("nobody")
    assert (shared.texts, own.texts) == (26, 28) and all(shared.share(key) <= 1 for key in shared.counts)


def test_the_mean_of_others_is_a_profile() -> None:
    profile = shrunk(population(), np.empty((0, len(features.names()))))
    assert set(profile.dials) == {*NAMES, "mood_swing"} and not profile.claims
    assert profile.dials["words_per_turn"] == pytest.approx(population().whole[:, LENGTH].mean(), rel=0.02)


def test_too_few_people_of_a_reference_are_refused() -> None:
    with pytest.raises(ReferenceDataError, match="3 people are too few"):
        of_reference(population().whole[:3])


def test_a_piece_is_as_far_from_other_pieces_as_its_whole_would_be() -> None:
    """Two deviations above the mean of first pieces is two above that of whole dialogues."""
    rng, size = np.random.default_rng(0), len(features.names())
    whole, first = rng.normal(10, 4, (50, size)), rng.normal(2, 0.5, (50, size))
    first[:, 2] = 1.0  # does not vary: says nothing of the whole
    some = Population(whole, first, first[:5])
    row = first.mean(axis=0) + 2 * first.std(axis=0)
    row[3] = np.nan  # no occasion in the piece
    above = np.full(size, 2.0)
    above[2], above[3] = 0.0, np.nan
    expected = whole.mean(axis=0) + above * whole.std(axis=0)
    np.testing.assert_allclose(some.as_whole(row, "first"), expected)
    np.testing.assert_array_equal(some.as_whole(row, "whole"), row)
    np.testing.assert_array_equal(some.as_whole(row, "last"), row)  # five are too few to tell


def test_pieces_are_known_from_the_split() -> None:
    people = crowd(14)
    others = Corpus(people).others("p01", "user")
    assert others is not None
    parts = split(people[1], 0)
    pieces, plain = (FeatureSpace(others, parts, whole=whole) for whole in (True, False))
    assert not np.array_equal(pieces.of(parts.train[0]), plain.of(parts.train[0]))
    assert not np.array_equal(pieces.of(parts.dev[0]), plain.of(parts.dev[0]))
    np.testing.assert_array_equal(pieces.of(parts.test[0]), plain.of(parts.test[0]))
    assert pieces.of(TextItem(id="t", text="Well.")) is None and pieces.rows([]).shape == (0, len(features.names()))


# --- analysis and refinement


def test_the_analysis_names_what_differs_and_the_targets() -> None:
    people = crowd(14)
    others = Corpus(people).others("p01", "user")
    assert others is not None
    parts = split(people[1], 0)
    space = FeatureSpace(others, parts, whole=True)
    played = player().play(Profile(dials={"words_per_turn": 40.0}), parts.train, 3, 1)
    found = EmbeddedAnalyst(space).analyze(Profile(), parts.train, played)
    assert "words_per_turn" in found.text and found.sources == (parts.train[0].id,)
    aimed, shown = found.targets["words_per_turn"], found.shown["words_per_turn"]
    assert shown == pytest.approx(np.mean([one.fingerprint[LENGTH] for one in played]))  # type: ignore[index]
    assert aimed < shown  # 40 words a turn were asked for
    assert all(set(items) <= {parts.train[0].id} for items in found.evidence.values())
    with pytest.raises(ReplyError, match="no fingerprints"):
        EmbeddedAnalyst(space).analyze(Profile(), [TextItem(id="t", text="Well.")], played)


def test_dials_move_by_what_role_plays_fall_short_of() -> None:
    others = population()
    start = shrunk(others, np.empty((0, len(features.names()))))
    asked = start.dials["words_per_turn"]
    made = EmbeddedRefiner(others).refine(start, Analysis("", {"words_per_turn": 12.0}, ("a",), {"words_per_turn": 10.0}), 3)
    moved = [profile.dials["words_per_turn"] - asked for profile in made if isinstance(profile, Profile)]
    assert moved == pytest.approx([2 * share for share in SHARES])
    assert all(profile.dials["short_rate"] == start.dials["short_rate"] for profile in made if isinstance(profile, Profile))
    (open_one, *_) = EmbeddedRefiner(others).refine(Profile(), Analysis("", {"words_per_turn": 12.0}, (), {"words_per_turn": 10.0}), 1)
    assert isinstance(open_one, Profile) and open_one.dials == {"words_per_turn": pytest.approx(10 + 2 * SHARES[0])}
    (far, *_) = EmbeddedRefiner(others).refine(start, Analysis("", {"short_rate": 9.0}, (), {"short_rate": 0.0}), 1)
    assert isinstance(far, Profile) and far.dials["short_rate"] == 1.0


def test_what_chance_may_have_brought_moves_nothing() -> None:
    """Three role-plays that differ widely around what is expected leave their dial about where it is."""
    others = population()
    space = FeatureSpace(others, Parts((ITEM,)), whole=True)
    typical = others.whole.mean(axis=0)
    rows = np.tile(typical, (4, 1))
    rows[:, LENGTH] += np.array([-2.0, 2.0, -2.0, 2.1])
    plays = [RolePlay("a", number, fingerprint=row) for number, row in enumerate(rows)]
    targets, shown = dial_targets(space, typical[None], plays, Profile())
    assert targets["words_per_turn"] == pytest.approx(shown["words_per_turn"], abs=0.05)
    assert dial_targets(space, typical[None], [], Profile()) == ({}, {}) == dial_targets(space, typical[None][:0], plays, Profile())


def test_spread_is_aimed_at_where_dialogues_are_too_much_alike() -> None:
    others = population()
    space = FeatureSpace(others, Parts((ITEM,)), whole=True)
    rng, profile = np.random.default_rng(2), Profile(dials={"mood_swing": 0.2})
    for factor, side in ((0.2, 1), (4.0, -1)):
        rows = others.whole[rng.integers(len(others.whole), size=30)]
        rows = rows.mean(axis=0) + factor * (rows - rows.mean(axis=0))
        plays = [RolePlay("a", number, fingerprint=row) for number, row in enumerate(rows)]
        targets, shown = dial_targets(space, others.whole[:1], plays, profile)
        assert shown["mood_swing"] == 0.2 and (targets["mood_swing"] - 0.2) * side > 0.02


def test_what_stands_out_is_said_in_words_with_its_evidence_and_replaced_the_next_time() -> None:
    others = population()
    start = Profile(dials={"words_per_turn": 5.0})
    start = start.updated("communication", *Profile(sections={"communication": ("You say hello first.",)}).claims)
    more, less = ({f"{sign}words_per_turn": items} for sign, items in (("+", ("a", "b")), ("-", ("a",))))
    (first,) = EmbeddedRefiner(others).refine(start, Analysis("", {"words_per_turn": 6.0}, ("a", "b"), {}, more), 1)
    assert isinstance(first, Profile)
    (second,) = EmbeddedRefiner(others).refine(first, Analysis("", {"words_per_turn": 4.0}, ("a", "b"), {}, less), 1)
    assert isinstance(second, Profile)
    assert [claim.text for claim in first.claims] == ["You say hello first.", "You write longer messages than most people."]
    assert [claim.text for claim in second.claims] == ["You say hello first.", "You write shorter messages than most people."]
    assert (first.claims[1].sources, first.claims[1].since) == (("a", "b"), 1)
    assert [(claim.support, claim.guess) for claim in first.claims] == [(0, False), (2, False)]
    assert (second.claims[1].support, second.claims[1].guess) == (1, True)
    assert "[a guess, 1 item: a]" in second.annotated_text() and "guess" not in second.text()


def test_evidence_is_what_items_show_themselves() -> None:
    people = crowd(14)
    others = Corpus(people).others("p01", "user")
    assert others is not None
    space = FeatureSpace(others, Parts(people[1].items), whole=True)
    found = supporting_items(space, people[1].items)
    scale, worth = others.scale, content.toml("fitness", "refine/manner.toml")["worth"]
    assert found
    for name, items in found.items():
        place = scale.names.index(name[1:])
        for item in people[1].items:
            row = space.of(item)
            assert row is not None
            score = scale.scores(row[None])[0, place]
            assert (item.id in items) == ((score if name[0] == "+" else -score) >= worth)


def test_every_sentence_is_usable_and_has_no_number() -> None:
    table = content.toml("fitness", "refine/manner.toml")
    assert set(table["more"]) == set(table["less"]) == set(features.names())
    for text in (*table["more"].values(), *table["less"].values()):
        assert Profile(sections={"communication": (text,)}).problems() == [] and not re.search(r"\d", text)


def test_without_targets_only_a_model_can_refine() -> None:
    (refused,) = EmbeddedRefiner(population()).refine(Profile(), Analysis("- too long", {}, ("a",)), 3)
    assert not isinstance(refused, Profile) and "only a model" in refused.reason


def test_people_without_words_do_not_count() -> None:
    silent = Behavior(person="s", items=(dialogue("s1", 3, random.Random(0), turns=1),))
    assert Corpus([silent, *(person(f"q{number}", 5) for number in range(10))]).others("q0", "user") is None
