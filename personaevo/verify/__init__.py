"""Verification of archives: ``archive verify`` recomputes stored values and compares.

Ids are recomputed from sources, digests from rows, fingerprints from dialogues, and scores from stored fingerprints. For the scores, the
judge is trained again from the run's settings, and its control dialogues are played again (with models: from the stored answers). Scores
of another scoring version are not recomputed, only checked for consistency.
"""

from personaevo.verify.checks import Verification
from personaevo.verify.run import verify

__all__ = ["Verification", "verify"]
