"""The leakage guard: what it finds, what it leaves alone, what it cannot see, and what the policies do."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.errors import ConfigError
from personaevo.refine.leakage.guard import NO_BACKGROUND, ItemTexts, LeakReport, apply_policy, find_leaks
from personaevo.refine.leakage.words import Background

KNOWN = "Chat with a stranger who will try to persuade you to give part of your payment to the charity Save the Children."
TRAIN = """Hello, how are you doing today?
I work nights as a nurse in Toledo and my two kids stay with their grandmother.
We lost the house in the flood of 2011, so I know what it is like to have nothing left.
I send 25 dollars a month to the Lutheran shelter on Maple Street.
Charities always mail me those glossy calendars, which is a waste of good money.
How much of my donation would really reach the children?"""
DEV = """I am good, thanks.
My brother Ahmed drives a forklift for a carpet warehouse near Dayton.
He says the last collector pocketed two hundred and fifty dollars before anybody noticed.
Honestly I would rather hand sandwiches to the homeless guys behind our library."""
TEST = """Hi there!
Last spring I adopted a three-legged greyhound called Biscuit from the pound.
Vet bills ate 1,850 dollars, so my wallet is thinner than usual.
I could part with 40 cents, but please do not sign me up for any newsletter.
My choir sings Brahms at the hospice every second Thursday.
People who shout about how generous they are make me suspicious of everything they say."""
ITEMS: ItemTexts = {"train": {"t1": TRAIN}, "dev": {"d1": DEV}, "test": {"x1": TEST}}
check = partial(find_leaks, items=ITEMS, known=KNOWN)

PLANTED = [
    # word by word
    ("run", "train", "You say that we lost the house in the flood of 2011, so you know what it is like."),
    ("run", "train", "You might write: how much of my donation would really reach the children?"),
    ("run", "dev", "You would rather hand sandwiches to the homeless guys behind our library."),
    ("run", "test", "You adopted a three-legged greyhound called Biscuit from the pound."),
    ("run", "test", "People who shout about how generous they are make you suspicious."),
    ("run", "test", "You are blunt: please do not sign me up for any newsletter."),
    # other case, punctuation and layout
    ("run", "train", "you: LOST THE HOUSE IN THE FLOOD OF 2011 SO YOU KNOW"),
    ("run", "test", "you adopted a three legged greyhound called biscuit"),
    ("run", "dev", "You: \"would; rather, hand... sandwiches - to (the) homeless guys\"."),
    ("run", "test", "You think people who shout about\nhow generous they are\nare not to be trusted."),
    # the speaker's words turned into the second person
    ("run", "train", "You work nights as a nurse in Toledo and your two kids stay with their grandmother."),
    ("run", "test", "You could part with 40 cents, but do not sign up for anything."),
    ("run", "test", "Your choir sings Brahms at the hospice every second Thursday."),
    # in another order
    ("order", "train", "Your kids, the two, stay with their grandmother, and in Toledo you work as a nurse, nights."),
    ("order", "train", "It is a waste of good money, you feel, which glossy calendars those charities always mail."),
    ("order", "dev", "Behind the library there are homeless guys; sandwiches are what you hand to them."),
    ("order", "test", "From the pound a greyhound, three-legged, was adopted by you in the last spring, called Biscuit."),
    ("order", "test", "Of everything they say you are suspicious, when people shout about how generous they are."),
    ("order", "test", "Every second Thursday, at the hospice, it is Brahms that your choir sings."),
    # split over two claims
    ("order", "train", "You have a nurse's nights in Toledo.\nYou leave two kids with a grandmother."),
    ("order", "dev", "You have a brother with a forklift near Dayton.\nYou know a warehouse that sells a carpet."),
    ("order", "test", "You adopted a greyhound last spring.\nYou named it Biscuit; it is three-legged, from the pound."),
    # quotations with gaps
    ("order", "train", "You say “send … dollars … month … Lutheran shelter … Maple Street”."),
    ("order", "test", "You say \"choir ... Brahms ... hospice ... Thursday\"."),
    ("order", "dev", "You tell of \"the last collector … pocketed … dollars before anybody noticed\"."),
    # numbers only
    ("number", "train", "You give 25 a month."),
    ("number", "train", "You remember 2011 well."),
    ("number", "train", "You give twenty-five dollars when you can."),
    ("number", "dev", "You once heard of 250 dollars that were gone."),
    ("number", "dev", "You speak of $250."),
    ("number", "test", "You paid eighteen hundred and fifty dollars."),
    ("number", "test", "You paid 1850 for something."),
    ("number", "test", "You end up giving forty cents."),
    # names only
    ("name", "train", "You live in Toledo."),
    ("name", "train", "You like Maple trees."),
    ("name", "train", "Toledo is your home."),
    ("name", "dev", "You are close to Ahmed."),
    ("name", "dev", "You often go to DAYTON."),
    ("name", "test", "You love Brahms's music."),
    ("name", "test", "You say Biscuit is fine."),
    # look-alike and invisible letters
    ("name", "train", "You live in T\u043eled\u043e."),
    ("name", "dev", "You are close to Ah\u200bmed."),
    ("name", "test", "You love \uff22\uff52\uff41\uff48\uff4d\uff53."),
    ("run", "test", "You \u0430dopted a thr\u0435e-legged greyh\u043eund called Biscuit."),
    # other words around rare ones that are kept, inflected or not
    ("rare", "dev", "You feel that collectors are like carpets: to be beaten."),
    ("rare", "dev", "You know somebody with forklifts among carpets."),
    ("rare", "test", "You look after greyhounds and bring music to hospices."),
    ("rare", "test", "You read every newsletter at the hospice."),
    ("rare", "train", "You keep calendars of the shelter, Lutheran ones, after a flood."),
]  # fmt: skip

HARMLESS = """You keep your turns short, usually under ten words.
You answer questions directly and then ask one back.
You greet people warmly before you come to the point.
You are skeptical of big promises and ask for evidence.
You ask how the money is spent before you decide anything.
You rarely use punctuation and you never write in capitals.
You thank the other side whenever they explain something.
You are polite, but you do not commit yourself early.
You like to tell a short story about your own life when it fits.
You tend to agree quickly and give short acknowledgements.
You change the subject when you feel pressed.
You say no in a friendly way and give a reason.
You write long first messages and shorter ones later.
You ask for a website or more information before you trust somebody.
You repeat what you want until you are understood.
You use casual words, abbreviations and the odd typo.
You show sympathy for children and people in need.
You hesitate when it comes to money and want time to think.
You compliment the other person and stay cheerful.
You push back when a claim sounds too good to be true.
You answer in about twelve words a turn, never more than 25 words.
You use two or three sentences in most replies.
You hedge with words like maybe, probably and I think.
You are generous once you are convinced and say so plainly.
You prefer facts and figures over feelings.
You often open with a question about how the other person is doing.
You give information only when you are asked for it.
You get impatient when the same argument comes twice.
You write in complete sentences with correct spelling.
You end conversations quickly once a decision is made.
You mention your family now and then, without details.
You care about fairness and dislike waste.
You are curious and want to know how things work.
You sound enthusiastic and use exclamation marks.
You distrust large organizations and prefer local help.
You have given to good causes before and know how they work.
You believe that everybody should help a little where they can.
You are careful with your own money because you do not have much.
You respond to emotional appeals with calm and short answers.
You wait for the other side to bring up money.
You make jokes when the conversation becomes too serious.
You would rather give time than money.
You read carefully and refer to what the other person said.
You explain your reasons in detail when you refuse.
You say that you will think about it and look it up later.
You want to persuade nobody; Save the Children is fine with you.""".split("\n")  # fmt: skip

NOT_SEEN = {
    "paraphrase without a kept word": "You are a medical worker on the late shift in Ohio, and their granny minds your little ones.",
    "translation": "Trabajas de noche como enfermera y tus hijos viven con la abuela.",
    "synonyms": "You took in a lame racing dog from a rescue home.",
    "misspelled names": "You live in Tolledo and know Achmed.",
    "irregular forms": "You say to lose a home teaches much.",
    "initials": "You speak of A. and of T. often.",
    "backward": "You say odeloT and tiucsiB.",
    "letters apart": "You live in T o l e d o.",
    "encoded": "You say VG9sZWRv when asked.",
    "calculated": "You give half of fifty dollars.",
    "years said in two": "You remember twenty eleven.",
    "ordinals in words": "You give on every twenty-fifth.",
    "small numbers that count something else": "You have two cars.",
    "one rare word without a capital": "You have an old greyhound.",
}


# -- what is found


@pytest.mark.parametrize(("kind", "part", "profile"), PLANTED, ids=[f"{kind}-{index}" for index, (kind, _, _) in enumerate(PLANTED)])
def test_planted_leaks_are_found(kind: str, part: str, profile: str) -> None:
    report = check(f"You are polite and brief.\n{profile}\nYou ask questions before you decide.")
    assert report.serious
    assert (kind, part) in {(leak.kind, leak.part) for leak in report.leaks}


@pytest.mark.parametrize("profile", HARMLESS)
def test_what_is_said_of_manner_is_no_leak(profile: str) -> None:
    assert not check(profile).serious


def test_harmless_statements_together_stay_harmless() -> None:
    """The score adds up over a profile: eight statements at a time, in turn."""
    alarms = [check("\n".join(HARMLESS[start : start + 8])).serious for start in range(len(HARMLESS) - 7)]
    assert sum(alarms) == 0


@pytest.mark.parametrize("profile", NOT_SEEN.values(), ids=NOT_SEEN.keys())
def test_what_it_cannot_see_is_not_found(profile: str) -> None:
    """The docstring of the module lists these: one that is found from now on must be struck from there."""
    assert not check(profile).serious


# -- what counts


def test_what_it_is_scored_on_weighs_more_than_what_it_was_made_from() -> None:
    profile = "You live in Toledo."
    scores = [find_leaks(profile, {part: {"i": TRAIN}}).score for part in ("train", "dev", "test")]
    assert 0 < scores[0] < scores[1] == scores[2]


def test_an_item_in_two_parts_is_a_leak_of_the_harder_one() -> None:
    report = find_leaks("You live in Toledo.", {"train": {"a": TRAIN}, "test": {"b": TRAIN}})
    assert [(leak.part, leak.item_id) for leak in report.leaks] == [("test", "b")]


def test_longer_runs_weigh_more() -> None:
    words = "You could part with 40 cents, but please do not sign me up for any newsletter".split()
    weights = [max(leak.weight for leak in check(" ".join(words[:length])).leaks if leak.kind == "run") for length in range(6, len(words))]
    assert weights == sorted(weights)
    assert weights[0] < weights[-1]


@pytest.mark.parametrize(("_kind", "_part", "profile"), PLANTED)
def test_what_is_known_does_not_count(_kind: str, _part: str, profile: str) -> None:
    """The task and the starting profile may be said again."""
    assert find_leaks(profile, ITEMS, known=f"{KNOWN}\n{profile}").leaks == ()


def test_what_many_say_counts_little_or_nothing() -> None:
    profile = "You mention the shelter and the flood and Toledo."
    items: ItemTexts = {"test": {"x": TRAIN}}
    all_say = Background.of([f"I gave to the shelter in Toledo after the flood {number}" for number in range(40)])
    some_say = Background.of(["I gave to the shelter in Toledo after the flood"] * 4 + ["no thanks"] * 36)
    few_texts = Background.of(["I gave to the shelter in Toledo after the flood"] * 5)
    scores = [find_leaks(profile, items, background=one).score for one in (all_say, some_say, few_texts, NO_BACKGROUND)]
    assert scores[0] == 0 < scores[1] < scores[2] == scores[3]


def test_numbers_of_manner_and_other_units_are_no_leaks() -> None:
    items: ItemTexts = {"test": {"x": "I have 3 kids, 12 goats and 20 dollars."}}
    assert find_leaks("You write 12 words a turn, in 3 sentences.", items).leaks == ()
    assert find_leaks("You are one of 20 people.", items).leaks == ()
    assert [leak.excerpt for leak in find_leaks("You raise three kids.", items).leaks] == ["three kid"]
    assert find_leaks("You ask three questions.", items).leaks == ()


@pytest.mark.parametrize("text", ["", "   ", "…!?", "\n\n"])
def test_nothing_leaks_into_or_from_nothing(text: str) -> None:
    assert check(text) == LeakReport(0.0, (), False)
    assert find_leaks("You live in Toledo.", {"test": {"x": text}}) == LeakReport(0.0, (), False)


def test_excerpts_are_the_profiles_own_and_safe_to_print() -> None:
    hostile = "You adopted a three-legged greyhound called \x1b[31mBiscuit\x1b[0m " + "from the pound " * 30
    for leak in check(hostile).leaks:
        assert leak.excerpt.isprintable()
        assert len(leak.excerpt) <= 80
    assert "pocketed" not in " ".join(leak.excerpt for leak in check("You felt pockets were picked by the last collector.").leaks)


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=60)
def test_any_text_is_scored(profile: str, item: str) -> None:
    report = find_leaks(profile, {"train": {"a": item}, "test": {"b": profile}})
    assert 0.0 <= report.score <= 1.0
    assert (report.score > 0.0) == bool(report.leaks)


# -- policies

CLEAN = ("You are polite and brief.", "You ask questions before you decide.")
LEAKY = ("You live in Toledo.", "You adopted a three-legged greyhound called Biscuit from the pound.")


@pytest.mark.parametrize("policy", ["warn", "redact", "reject"])
def test_a_clean_profile_passes_unchanged(policy: str) -> None:
    verdict = apply_policy(policy, CLEAN, check)  # type: ignore[arg-type]
    assert verdict.accepted
    assert (verdict.statements, verdict.removed, verdict.note, verdict.advice) == (CLEAN, (), "", "")


def test_warn_accepts_and_notes() -> None:
    verdict = apply_policy("warn", (*CLEAN, *LEAKY), check)
    assert verdict.accepted
    assert verdict.statements == (*CLEAN, *LEAKY)
    assert verdict.report.serious
    assert verdict.note.startswith("leak score 0.")
    assert "from test" in verdict.note


def test_reject_refuses_what_is_serious_and_only_that() -> None:
    assert not apply_policy("reject", (*CLEAN, LEAKY[1]), check).accepted
    noted = apply_policy("reject", (*CLEAN, "You have an old greyhound."), check)
    assert noted.accepted
    assert [leak.kind for leak in noted.report.leaks] == ["rare"]


def test_redact_leaves_out_what_leaks_and_checks_again() -> None:
    verdict = apply_policy("redact", (CLEAN[0], *LEAKY, CLEAN[1]), check)
    assert verdict.accepted
    assert verdict.statements == CLEAN
    assert set(verdict.removed) == set(LEAKY)
    assert not verdict.report.serious
    assert verdict.report == check("\n".join(CLEAN))
    assert "2 of 4 statements left out" in verdict.note


@pytest.mark.parametrize(("_kind", "_part", "profile"), PLANTED)
def test_redact_never_returns_a_serious_leak(_kind: str, _part: str, profile: str) -> None:
    verdict = apply_policy("redact", (*CLEAN, *profile.split("\n")), check)
    assert not verdict.report.serious
    assert set(CLEAN) <= set(verdict.statements)


@given(st.lists(st.sampled_from([*TEST.split("\n"), *CLEAN, 'You say "Toledo!"', "Dr. Ahmed. \n(Biscuit.)", "", "…"]), max_size=6))
@settings(max_examples=40)
def test_redact_takes_statements_apart_as_the_check_does(statements: list[str]) -> None:
    verdict = apply_policy("redact", statements, check)
    assert not verdict.report.serious
    assert sorted((*verdict.statements, *verdict.removed)) == sorted(statements)
    assert verdict.accepted or not verdict.statements


def test_a_profile_that_is_all_leaks_is_refused() -> None:
    verdict = apply_policy("redact", LEAKY, check)
    assert (verdict.accepted, verdict.statements) == (False, ())


def test_advice_names_the_profiles_words_and_no_part_or_item() -> None:
    advice = apply_policy("reject", (*CLEAN, *LEAKY), check).advice
    assert "Toledo" in advice
    assert not any(word in advice for word in ("test", "train", "dev", "x1", "t1"))


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected warn, redact or reject"):
        apply_policy("ignore", CLEAN, check)  # type: ignore[arg-type]


# --- habits that name a person


OTHERS = Background.of([f"hello there, number {number} of many" for number in range(40)])


def kinds(report: LeakReport) -> set[str]:
    return {leak.kind for leak in report.leaks}


@pytest.mark.parametrize("sign", ["d=(^_^)=b", "\\o/", ">:3", "(>'')>"])
def test_an_unusual_smiley_is_a_leak(sign: str) -> None:
    found = find_leaks(f"You end with {sign} when you are glad.", {"train": {"a": f"that works {sign} thanks"}}, background=OTHERS)
    assert kinds(found) == {"habit"} and found.serious and found.leaks[0].excerpt == sign
    items: ItemTexts = {"train": {"a": f"that works {sign} thanks"}}
    assert not find_leaks("You end with a smiley when you are glad.", items, background=OTHERS).leaks


def test_what_others_use_too_names_nobody() -> None:
    items: ItemTexts = {"train": {"a": "that works :) thanks ... and -- well"}}
    assert not find_leaks("You write :) often.", items, background=OTHERS).serious
    smiling = Background.of([f"hello d=b {number}" for number in range(40)])
    assert not find_leaks("You write d=b often.", {"train": {"a": "yes d=b"}}, background=smiling).leaks
    assert not find_leaks("You trail off ... and so -- on.", items, background=OTHERS).leaks


def test_a_signature_in_several_items_weighs_more_than_a_rare_word() -> None:
    told = "You say zwoobly at the end."
    once = find_leaks(told, {"train": {"a": "thanks zwoobly"}}, background=OTHERS)
    often = find_leaks(told, {"train": {"a": "thanks zwoobly", "b": "bye zwoobly"}}, background=OTHERS)
    inside = find_leaks(told, {"train": {"a": "the zwoobly thing", "b": "a zwoobly again"}}, background=OTHERS)
    assert kinds(once) == kinds(inside) == {"rare"} and not once.serious
    assert kinds(often) == {"habit"} and often.serious and often.score > inside.score
