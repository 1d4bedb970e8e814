"""What the rows of the final table are called; apart, so that whoever only reads a table loads nothing that makes one."""

AUDITOR = "auditor"
AUDITOR_SEES = "auditor_sees"  # the setting under which a run tells what the auditor sees beside fingerprint and dynamics
PEOPLE, SEED, BEST = "humans", "seed_program", "evolved"
FREE = "persona_free"
