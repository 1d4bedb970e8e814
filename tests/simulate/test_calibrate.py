"""Calibration: lines that are recovered, an inverse that helps and never harms much, and players of every kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydantic import BaseModel
from simulate_cases import tasks

from personaevo import definitions
from personaevo.chat import Message, Reply
from personaevo.errors import InputError
from personaevo.measure.stats import sobol
from personaevo.records import Episode, Persona
from personaevo.simulate.calibrate import TRIED, Job, Trial, Tried, better, calibrate, design, play, trials
from personaevo.simulate.curves import Calibration, Curve, fit, from_scale, prompt_digest, to_scale
from personaevo.simulate.model_voice import directed_user

NAMES = definitions.features().names
DOMAIN = definitions.domain("service")
TASKS = {split: [task for task in tasks("service") if task.split == split] for split in ("train", "test")}
Truth = Callable[[str, float], float]


def player(truth: Truth, noise: float, seed: int = 0) -> Callable[[Sequence[Job]], list[Episode]]:
    """Plays jobs without a word: shows ``truth`` of what is asked, on the dial's scale, with noise in deviations of the design."""
    rng = np.random.default_rng(seed)

    def shown(job: Job) -> Episode:
        asked = job.trial.dials if job.calibration is None else job.calibration.invert(job.trial.dials)
        values = [from_scale(name, truth(name, to_scale(name, asked[name])) + noise * SPREAD[name] * rng.normal()) for name in NAMES]
        turns = (("assistant", "Hello."), ("user", "hello there"))
        return Episode(job.trial.item, "completed", turns, "completed", tuple(values), 1.0)

    return lambda jobs: [shown(job) for job in jobs]


def _spread() -> dict[str, float]:
    values = np.array([[to_scale(name, dials[name]) for name in NAMES] for dials in design(256, DOMAIN, 0)])
    return dict(zip(NAMES, map(float, values.std(axis=0)), strict=True))


SPREAD = _spread()


def a_line(slope: float, offset: float = 0.0, se: float = 0.05, **more: float) -> Curve:
    return replace(Curve(slope, offset, se, 60, 0.9, 0.3, 0.1, 0.05, 0.05, 0.6), **more)


# --- the design


def test_points_fill_the_cube_and_fewer_are_a_prefix() -> None:
    points = sobol(60, 19, 3)
    assert points.shape == (60, 19) and points.min() >= 0 and points.max() < 1
    assert np.array_equal(points[:9], sobol(9, 19, 3)) and not np.array_equal(points, sobol(60, 19, 4))
    assert np.abs(points.mean(axis=0) - 0.5).max() < 0.06
    assert sobol(0, 3, 1).shape == (0, 3)


def test_the_design_is_plausible_and_varied() -> None:
    dials = definitions.dials()
    sets = design(200, DOMAIN, 5)
    for one in sets:
        assert one.keys() == {*NAMES, "mood_swing"} and one["mood_swing"] == 0
        assert all(dials[name].low <= value <= dials[name].high for name, value in one.items())
        assert one["ack_only_rate"] <= one["short_rate"] < 1
        assert one["short_rate"] * 1 + (1 - one["short_rate"]) * 4 <= max(one["words_per_turn"], 1.5) * 1.6
    words = np.log([one["words_per_turn"] for one in sets])
    assert words.min() < math.log(2.2) and words.max() > math.log(22)
    assert np.median(words) == pytest.approx(math.log(50**0.5), abs=0.1)


def test_trials_are_seeded_and_take_the_tasks_in_turn() -> None:
    first, again = (trials(TASKS["train"], 12, DOMAIN, 1, "calibrate") for _ in range(2))
    assert first == again and first[:5] == trials(TASKS["train"], 5, DOMAIN, 1, "calibrate")
    other = trials(TASKS["test"], 12, DOMAIN, 1, "check")
    assert {one.item.seed for one in first}.isdisjoint(one.item.seed for one in other)
    assert {one.task.split for one in other} == {"test"} and len({one.task.id for one in first}) == min(12, len(TASKS["train"]))


# --- the lines and their inverse


def test_known_lines_are_recovered() -> None:
    lines = {name: (0.3 + 0.07 * place, 0.1 * SPREAD[name]) for place, name in enumerate(NAMES)}
    found = calibrate("x", player(lambda name, at: lines[name][1] + lines[name][0] * at, 0.0), TASKS, DOMAIN, wording="draft", check=0)
    inside = [name for name in NAMES if name not in ("front_loading", "short_rate")]  # those may be cut at the ends of their range
    for name in inside:
        curve = found.calibration.curves[name]
        assert (curve.n, curve.slope) == (60, pytest.approx(lines[name][0], abs=0.05)), name
        assert curve.verdict == ("exaggerates" if curve.slope > 1 + 1e-6 else "follows"), name
    assert found.check is None and found.conduct.completed == 60


def test_errors_of_slopes_are_what_they_say() -> None:
    rng = np.random.default_rng(1)
    asked = rng.uniform(size=40)
    found = [fit(asked, 0.5 * asked + rng.normal(scale=0.3, size=40)) for _ in range(600)]
    slopes = np.array([one.slope for one in found])
    assert slopes.mean() == pytest.approx(0.5, abs=0.03)
    assert np.mean([one.se for one in found]) == pytest.approx(slopes.std(), rel=0.1)
    inside = [low <= 0.5 <= high for low, high in (one.interval for one in found)]
    assert 0.92 < np.mean(inside) < 0.98


def test_the_inverse_improves_a_player_who_is_off() -> None:
    """Shows half of a change, and too much of all."""
    off = calibrate("x", player(lambda name, at: 0.5 * at + 0.6 * SPREAD[name], 0.4), TASKS, DOMAIN, wording="draft", check=40)
    assert off.check is not None
    assert off.check.overall.gain[1] > 0.1 and off.check.overall.after < 0.75 * off.check.overall.before
    assert off.check.overall.slope > off.check.overall.slope_before + 0.15


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("slope", [1.0, 0.8, 0.5])
@pytest.mark.parametrize("dialogues", [12, 60])
def test_inverting_an_estimated_line_never_does_much_worse(slope: float, noise: float, dialogues: int) -> None:
    """The root of the mean squared error on fresh dialogues, chance left out of neither side, over several calibrations."""
    before, after = [], []
    for seed in range(4):
        played = player(lambda name, at: slope * at, noise, seed)
        found = calibrate("x", played, TASKS, DOMAIN, wording="draft", check=0, dialogues=dialogues, seed=seed)
        for dials in design(64, DOMAIN, 100 + seed):
            asked = found.calibration.invert(dials)
            for name in NAMES:
                wanted, at = (to_scale(name, one[name]) / SPREAD[name] for one in (dials, asked))
                before.append((slope * wanted - wanted) ** 2 + noise**2)
                after.append((slope * at - wanted) ** 2 + noise**2)
    assert np.mean(after) ** 0.5 < 1.02 * np.mean(before) ** 0.5


def test_what_cannot_be_played_and_what_is_unknown_stays() -> None:
    curves = {"pushback_rate": a_line(0.1), "emotion_rate": a_line(0.9, se=0.6), "certainty_rate": a_line(-0.8)}
    of = Calibration("x", "draft", "p", curves)
    dials = {"pushback_rate": 0.3, "emotion_rate": 0.2, "certainty_rate": 0.5, "politeness_rate": 0.7, "mood_swing": 0.0}
    assert of.invert(dials) == dials
    assert [curves[name].verdict for name in curves] == ["cannot"] * 3


def test_nothing_is_asked_beyond_the_design() -> None:
    curves = {"pushback_rate": a_line(0.25, 0.0, se=0.01), "words_per_turn": a_line(0.5, 1.0, low=0.7, high=3.2)}
    of = Calibration("x", "draft", "p", curves)
    for wanted in np.linspace(0, 0.6, 13):
        assert 0 <= of.invert({"pushback_rate": float(wanted)})["pushback_rate"] < 0.6001
    assert of.invert({"pushback_rate": 0.5})["pushback_rate"] == pytest.approx(0.6)
    words = [of.invert({"words_per_turn": value})["words_per_turn"] for value in (2.0, 5.0, 10.0, 20.0, 40.0, 60.0)]
    assert words == sorted(words) and words[-1] <= 60 and words[-2] == pytest.approx(40 * words[3] / 20, rel=0.3)


def test_a_player_as_asked_is_left_alone() -> None:
    of = Calibration("x", "draft", "p", {"pushback_rate": a_line(1.0), "emotion_rate": a_line(1.0)})
    assert of.invert({"pushback_rate": 0.3, "emotion_rate": 0.11}) == pytest.approx({"pushback_rate": 0.3, "emotion_rate": 0.11})
    of = Calibration("x", "draft", "p", {"pushback_rate": a_line(0.5, 0.05, se=0.01), "emotion_rate": a_line(0.6, 0.0, se=0.01)})
    asked = of.invert({"pushback_rate": 0.2})["pushback_rate"]
    assert asked == pytest.approx(0.3, abs=0.03)
    assert of.shown({"pushback_rate": asked})["pushback_rate"] == pytest.approx(0.2, abs=0.02)
    assert of.response({"pushback_rate": 0.2}) == of.shown({"pushback_rate": asked})


def test_the_digest_is_that_of_the_lines() -> None:
    one = Calibration("x", "draft", "p", {"pushback_rate": a_line(0.5)})
    assert one.digest == Calibration("x", "draft", "p", {"pushback_rate": a_line(0.5)}).digest
    assert one.digest != Calibration("x", "draft", "p", {"pushback_rate": a_line(0.51)}).digest
    assert prompt_digest("draft") != prompt_digest("direction")


# --- which wording


def test_the_better_wording() -> None:
    draft, direction = Tried("draft", 6, 0.1, 0.9), Tried("direction", 6, 0.12, 0.6)
    assert better(draft, direction).wording == "direction"  # as few grave breaks, nearer
    assert better(replace(draft, grave=0.04), direction).wording == "draft"
    assert better(replace(draft, completed=5), replace(direction, grave=0.9)).wording == "direction"
    assert better(Tried("draft", 0, None, None), Tried("direction", 0, None, None)).wording == "draft"


def test_dialogues_for_the_choice_count_for_the_fit() -> None:
    seen: list[Job] = []
    played = player(lambda _, at: at, 0.1)

    def noted(jobs: Sequence[Job]) -> list[Episode]:
        seen.extend(jobs)
        return played(jobs)

    found = calibrate("x", noted, TASKS, DOMAIN, dialogues=20, check=3)
    assert len(seen) == 20 + TRIED + 2 * 3 and len(found.asked) == 20
    assert [one.wording for one in found.tried] == ["draft", "direction"]
    keys = [(job.wording, job.trial.item.seed, job.calibration is None) for job in seen]
    assert len(set(keys)) == len(keys)


# --- players with words


class Deaf:
    """Says the same whatever it is asked."""

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        return Reply("I would rather like to talk about the weather today.")


def played_by(model: Deaf | None) -> Callable[[Sequence[Job]], list[Episode]]:
    return lambda jobs: [play(job, DOMAIN, model) for job in jobs]


def test_a_model_that_ignores_everything_cannot() -> None:
    found = calibrate("deaf", played_by(Deaf()), TASKS, DOMAIN, dialogues=16, check=2, wording="draft")
    assert {curve.verdict for curve in found.calibration.curves.values()} == {"cannot"}
    dials = design(1, DOMAIN, 9)[0]
    assert found.calibration.invert(dials) == dials
    assert found.check is not None and found.check.overall.gain == (0.0, 0.0, 0.0)
    assert found.conduct.broke[0] > 0.3 and found.conduct.points["fact"] > 0 and found.conduct.grave[0] > 0


def test_the_embedded_engine_from_end_to_end() -> None:
    found = calibrate("embedded", played_by(None), TASKS, DOMAIN, dialogues=40, check=6)
    again = calibrate("embedded", played_by(None), TASKS, DOMAIN, dialogues=40, check=6)
    assert found.calibration == again.calibration and found.check == again.check and found.tried == ()
    curves = found.calibration.curves
    assert curves.keys() == set(NAMES)
    assert {curves[name].verdict for name in ("words_per_turn", "short_rate", "opening_words", "politeness_rate")} == {"follows"}
    assert found.conduct.broke[0] == 0 and found.conduct.preservation[0] > 0.95 and found.conduct.planned == 40
    assert found.conduct.broke[2] > 0  # none seen is not none


def test_too_few_dialogues_are_no_line() -> None:
    def fails(jobs: Sequence[Job]) -> list[Episode]:
        return [Episode(job.trial.item, "failed", reason="it broke", fault="infrastructure") for job in jobs]

    with pytest.raises(InputError, match=r"0 of 10 dialogues completed, at least 4 .* it broke"):
        calibrate("x", fails, TASKS, DOMAIN, dialogues=10)


def test_a_director_asks_through_the_inverse() -> None:
    trial: Trial = trials(TASKS["train"], 1, DOMAIN, 0, "x")[0]
    persona = Persona(id="p", description="", dials={"words_per_turn": 10.0})
    of = Calibration("x", "draft", "p", {"words_per_turn": a_line(0.5, 0.5, se=0.01, center=2.0, spread=0.7, low=0.7, high=3.2)})
    plain, inverse = (directed_user(Deaf(), trial.task, persona, trial.item, DOMAIN, "draft", given) for given in (None, of))
    assert plain.director.level["words_per_turn"] != inverse.director.level["words_per_turn"]
    assert of.invert(persona.dials)["words_per_turn"] > 20
