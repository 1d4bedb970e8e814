"""A context manager by class, and with statements with several of them."""

AXES = [{"name": "brisk", "low": "Dawdle.", "high": "Be brisk.", "dials": {"patience_turns": [12, 3]}}]


class Section:
    def __init__(self, lines, title):
        self.lines, self.title = lines, title

    def __enter__(self):
        self.lines.append(f"<{self.title}>")
        return self.lines.append

    def __exit__(self, kind, error, trace):
        self.lines.append(f"</{self.title}>")
        return kind is ZeroDivisionError


def described(level):
    lines = []
    with Section(lines, "who") as add, Section(lines, "how"):
        add("a customer")
        add("brisk" if level > 0.5 else "relaxed")
    with Section(lines, "odd"):
        1 / 0
    return " ".join(lines)


def generate(task, n, rng, model=None):
    levels = [rng.random() for _ in range(n)]
    return [{"description": described(level).replace("<", "(").replace(">", ")"), "behaviors": {"brisk": level}} for level in levels]
