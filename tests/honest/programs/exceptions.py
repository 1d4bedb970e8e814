"""Exceptions of its own, try/else/finally, raise from, suppress by hand."""

AXES = [{"name": "steady", "low": "Change your mind.", "high": "Stick to it.", "dials": {"pivot_rate": [0.2, 0.0]}}]


class LevelError(ValueError):
    def __init__(self, level):
        super().__init__(f"level {level:.2f} is out of range")
        self.level = level


def checked(level):
    if not 0 <= level <= 1:
        raise LevelError(level)
    return level


def careful(level, log):
    try:
        value = checked(level)
    except LevelError as error:
        log.append(str(error))
        value = min(1.0, max(0.0, error.level))
    else:
        log.append("fine")
    finally:
        log.append("done")
    return value


def generate(task, n, rng, model=None):
    log = []
    levels = [careful(rng.gauss(0.5, 0.4), log) for _ in range(n)]
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise RuntimeError("no such thing") from error
    except (RuntimeError, OSError) as error:
        log.append(repr(error))
    return [{"description": f"Steady; {log.count('fine')} fine of {n}, {log[-1]}.", "behaviors": {"steady": level}} for level in levels]
