"""Counter, defaultdict, deque, ChainMap, OrderedDict, UserDict, namedtuple."""

from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple

Slot = namedtuple("Slot", ["kind", "level"], defaults=[0.5])
AXES = [{"name": "open", "low": "Hold back.", "high": "Tell all.", "dials": {"facts_per_turn": [0.1, 1.5]}}]
DEFAULTS = {"kind": "regular", "tone": "even"}


class Registry(UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key.lower(), value)


def generate(task, n, rng, model=None):
    queue = deque(("new", "regular", "lapsed"), maxlen=3)
    slots = []
    for _ in range(n):
        slots.append(Slot(queue[0], rng.random()))
        queue.rotate(-1)
    counts = Counter(slot.kind for slot in slots)
    by_kind = defaultdict(list)
    for slot in slots:
        by_kind[slot.kind].append(slot.level)
    order = OrderedDict(sorted(by_kind.items()))
    order.move_to_end(next(iter(order)))
    registry = Registry()
    registry["TONE"] = "warm"
    settings = ChainMap({"kind": counts.most_common(1)[0][0]}, dict(registry), DEFAULTS)
    return [
        {"description": f"A {slot.kind} customer, {settings['tone']}, {len(order[slot.kind])} alike.", "behaviors": {"open": slot.level}}
        for slot in slots
    ]
