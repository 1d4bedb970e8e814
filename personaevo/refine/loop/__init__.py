"""The refinement loop: initial profile, rounds, scoring, controls, many people, and the summary."""
