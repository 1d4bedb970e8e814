"""What the rows of the final table are called; apart, so that whoever only reads a table loads nothing that makes one."""

AUDITOR = "auditor"
PEOPLE, SEED, BEST = "humans", "seed_program", "evolved"
FREE = "persona_free"
