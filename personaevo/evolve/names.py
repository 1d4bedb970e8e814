"""Names of the rows of the final table, in a module without imports for code that only reads tables."""

AUDITOR = "auditor"
AUDITOR_SEES = "auditor_sees"  # setting of a run: input of the auditor in addition to fingerprint and dynamics
PEOPLE, SEED, BEST = "humans", "seed_program", "evolved"
FREE = "persona_free"
