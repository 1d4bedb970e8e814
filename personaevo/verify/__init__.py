"""``archive verify``: what an archive says, computed again from what it holds.

Ids follow from sources, digests from rows, fingerprints from dialogues, and every score from stored fingerprints: the judge is trained anew
from the run's settings, against control dialogues that are played again (with models: from the answers that the archive keeps). Scores of
another scoring than this one's are not made again: they must agree with one another.
"""

from personaevo.verify.report import Verification
from personaevo.verify.whole import verify

__all__ = ["Verification", "verify"]
