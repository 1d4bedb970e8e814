"""string.Template, string constants, Formatter and textwrap."""

import textwrap
from string import Formatter, Template, ascii_lowercase, capwords, digits

AXES = [{"name": "tidy", "low": "Make slips.", "high": "Spell well.", "dials": {"typos": [3.0, 0.0]}}]
POLICY = Template(
    textwrap.dedent(
        """
        You are $who.
        Write about $words words at a time.
        ${extra}
        """
    ).strip()
)


def code(rng):
    return "".join(rng.choice(ascii_lowercase) for _ in range(3)) + "-" + "".join(rng.choices(digits, k=2))


def generate(task, n, rng, model=None):
    fields = [name for _, name, _, _ in Formatter().parse("{who}: {words}") if name]
    out = []
    for _ in range(n):
        level = rng.random()
        policy = POLICY.safe_substitute(who=capwords("a busy person"), words=round(4 + 10 * level), extra=textwrap.shorten("No greetings at all, ever.", 12))
        wrapped = textwrap.fill(f"Somebody with {len(fields)} concerns who is known as {code(rng)} to friends.", 30)
        out.append({"description": " ".join(wrapped.split()), "behaviors": {"tidy": level}, "policy": textwrap.indent(policy, "")})
    return out
