"""A state machine as a class with a table of methods."""

AXES = [{"name": "persistent", "low": "Give up.", "high": "Insist.", "dials": {"patience_turns": [3, 15]}}]


class Machine:
    def __init__(self, rng):
        self.rng, self.state, self.steps = rng, "greet", 0
        self.table = {"greet": self.greet, "ask": self.ask, "insist": self.insist}

    def greet(self):
        return "ask"

    def ask(self):
        return "insist" if self.rng.random() < 0.6 else "leave"

    def insist(self):
        return "ask" if self.rng.random() < 0.7 else "leave"

    def run(self, most=20):
        while self.state != "leave" and self.steps < most:
            self.state = self.table[self.state]()
            self.steps += 1
        return self.steps


def generate(task, n, rng, model=None):
    steps = [Machine(rng).run() for _ in range(n)]
    return [{"description": f"Leaves after {count} steps.", "behaviors": {"persistent": count / 20}} for count in steps]
