"""References: fingerprints of real people in a domain, with their provenance.

A reference holds figures only, no texts. Beside the fingerprints it has what only an auditor and the measure of consistency use: dynamics,
habits of typing, and how much dialogues of one person agree.
"""

from personaevo.reference.build import Counts, Reference, build, habits_of, installed_ratios, rounded, shown_habits, split
from personaevo.reference.files import load, packaged, read, save

__all__ = [
    "Counts", "Reference", "build", "habits_of", "installed_ratios", "load", "packaged", "read", "rounded", "save", "shown_habits", "split",
]  # fmt: skip
