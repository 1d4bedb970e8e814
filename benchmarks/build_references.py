"""Build the packaged references: ``python -m benchmarks.build_references [--data FOLDER] [--out FOLDER]``.

Run it after every change of ``fitness/features.toml``. The corpora are not part of the project (see ``fitness/references/README.md``). It
begins with the two ratios of retest to odd-even agreement (``agreement.toml``), which estimate the agreement of corpora in which each
person has only one dialogue.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from personaevo import definitions, reference
from personaevo.errors import PersonaevoError
from personaevo.measure import agreement
from personaevo.measure.agreement import Measured, Ratios
from personaevo.readers import read_dialogues

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "fitness" / "references"


@dataclass(frozen=True, slots=True)
class Source:
    """One packaged reference and its corpus."""

    name: str
    file: str
    corpus: str
    license: str


SOURCES = (
    Source("service", "multidogo_customer_only_human.jsonl.gz", "MultiDoGO (customers' turns)", "CDLA-Permissive-1.0"),
    Source("charity", "p4g_human.jsonl.gz", "PersuasionForGood", "Apache-2.0"),
    Source("camping", "casino_human.jsonl.gz", "CaSiNo", "CC-BY-4.0"),
    Source("taubench_llm", "taubench_llm.jsonl.gz", "tau-bench (historical trajectories and few-shot data)", "MIT"),
)
# The corpora in which many people have several dialogues of at least five user turns, so that both agreements can be measured.
SEVERAL = (
    SOURCES[1],
    Source("support", "irc_support_human.jsonl.gz", "Ubuntu IRC, disentangled (Kummerfeld et al. 2019)", "CC-BY-4.0"),
)
_HEAD = """\
# Retest agreement (intraclass correlation over dialogues of one person) and odd-even agreement (correlation of the halves of a
# dialogue) of two corpora, each on its dialogues of five user turns and more, with standard errors; `people` have two such dialogues
# or more. With `ratio`, the one divided by the other, the agreement of a corpus that has nobody twice is estimated from its halves.
# Made by: python -m benchmarks.build_references
"""


@dataclass(frozen=True, slots=True)
class Both:
    """The two agreements of one corpus, on the same dialogues."""

    source: Source
    dialogues: int
    retest: Measured
    odd_even: Measured

    @property
    def ratio(self) -> float:
        """Retest over odd-even agreement."""
        return self.retest.mean / self.odd_even.mean

    @property
    def ratio_se(self) -> float:
        """Its standard error (delta method; treating both as independent although they come from the same people errs on the large
        side)."""
        return abs(self.ratio) * float(
            np.hypot(self.retest.se / self.retest.mean, self.odd_even.se / self.odd_even.mean)
        )

    def table(self) -> str:
        """As TOML."""
        numbers = {
            "retest": self.retest.mean, "retest_se": self.retest.se, "odd_even": self.odd_even.mean,
            "odd_even_se": self.odd_even.se, "ratio": self.ratio, "ratio_se": self.ratio_se,
        }  # fmt: skip
        lines = [f"[{self.source.name}]", f'corpus = "{self.source.corpus}"', f'license = "{self.source.license}"']
        lines += [f"dialogues = {self.dialogues}", f"people = {self.retest.people}"]
        return "\n".join([*lines, *(f"{name} = {value:.4g}" for name, value in numbers.items())]) + "\n"


def both(source: Source, texts: Sequence[Sequence[str]], people: Sequence[str]) -> Both:
    """Measure the user's turns of dialogues, each of a person."""
    features = definitions.features()
    values = features.measure(texts).values
    return Both(
        source,
        len(texts),
        agreement.retest(values, people, agreement.varying(values)),
        agreement.odd_even_of(texts, people, [""] * len(texts), features),
    )


def read_long(source: Source, data: Path = DATA) -> tuple[list[list[str]], list[str]]:
    """User turns and person of the dialogues that can be halved."""
    dialogues = read_dialogues(data / source.file)
    kept = agreement.halves([dialogue.user_texts() for dialogue in dialogues])[0]
    chosen = [dialogues[index] for index in kept]
    return [dialogue.user_texts() for dialogue in chosen], [dialogue.user_id or dialogue.id for dialogue in chosen]


def over_halves(source: Source, texts: Sequence[Sequence[str]], people: Sequence[str], draws: int = 20) -> list[float]:
    """The ratio in random halves of the people, sorted: a check of its stability."""
    rng = np.random.default_rng(0)
    names, ratios = sorted(set(people)), []
    for _ in range(draws):
        half = set(rng.permutation(names)[: len(names) // 2].tolist())
        rows = [index for index, person in enumerate(people) if person in half]
        ratios.append(both(source, [texts[row] for row in rows], [people[row] for row in rows]).ratio)
    return sorted(ratios)


def measure_ratios(data: Path = DATA, *, stability: bool = False) -> tuple[str, Ratios]:
    """The text of ``agreement.toml``, and the ratios as it holds them."""
    tables = []
    for source in SEVERAL:
        texts, people = read_long(source, data)
        tables.append(both(source, texts, people).table())
        if stability:
            spread = over_halves(source, texts, people)
            print(f"{source.name}: ratio in random halves of the people {spread[0]:.2f} .. {spread[-1]:.2f}, SD {np.std(spread):.2f}")
    text = "\n".join([_HEAD, *tables])
    return text, Ratios.model_validate(tomllib.loads(text))


def build(source: Source, data: Path = DATA, ratios: Ratios | None = None) -> reference.Reference:
    """The reference of ``source``, measured with the installed feature set (and by default the installed ratios)."""
    dialogues = read_dialogues(data / source.file)
    return reference.build(
        dialogues, domain=source.name, corpus=source.corpus, license=source.license, ratios=ratios
    )


def main(arguments: list[str] | None = None) -> int:
    """Build and write all references; 1 if a corpus is missing or invalid."""
    parser = argparse.ArgumentParser(description="Build the packaged references from the corpora.")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the corpora (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to (default: %(default)s)")
    given = parser.parse_args(arguments)
    if not given.data.is_dir():
        names = ", ".join(source.file for source in (*SOURCES, SEVERAL[1]))
        print(f"{given.data}: no such folder; give the one that holds {names} with --data", file=sys.stderr)
        return 1
    try:
        text, ratios = measure_ratios(given.data, stability=True)
        built = [(source, build(source, given.data, ratios)) for source in SOURCES]
        (given.out / "agreement.toml").write_text(text, encoding="utf-8")
        print(text.removeprefix(_HEAD))
        for source, made in built:
            path = given.out / f"{source.name}.jsonl"
            reference.save(made, path)
            print(f"{path}: {made.counts}, losses: {', '.join(made.losses) or 'none'}, agreement: {made.agreement}")
    except PersonaevoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
