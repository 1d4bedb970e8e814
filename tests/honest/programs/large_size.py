"""A large program: a hundred and some hand-made people, of whom a stratified sample is drawn and varied."""

from collections import defaultdict
from dataclasses import dataclass

AXES = [
    {"name": "terse", "low": "Write full sentences.", "high": "A word or two will do.", "dials": {"words_per_turn": [22, 2]}},
    {"name": "skeptical", "low": "Believe what you hear.", "high": "Ask for reasons.", "dials": {"pushback_rate": [0.0, 0.35]}},
    {"name": "frustrated", "low": "Stay calm.", "high": "Show that you are annoyed.", "dials": {"emotion_rate": [0.0, 0.4]}},
    {"name": "ambiguous", "low": "Be definite.", "high": "Be vague at first.", "dials": {"uncertainty_rate": [0.0, 0.4]}},
    {"name": "warm", "low": "Keep it businesslike.", "high": "Be friendly and say thank you.", "dials": {"politeness_rate": [0.05, 0.6]}},
    {"name": "thorough", "low": "Give the gist only.", "high": "Give every detail at once.", "dials": {"facts_per_turn": [0.2, 1.4]}},
]


@dataclass(frozen=True, slots=True)
class Person:
    """One hand-made person: a description, and levels in the order of AXES."""

    group: str
    text: str
    levels: tuple[float, ...]


PEOPLE = [
    Person("hurried", "A florist who lives with a parent who needs care, signs every message and was charged twice last year.", (0.80, 0.94, 0.74, 0.92, 0.03, 0.47)),
    Person("careful", "A farmer who lives alone, answers late at night and was never let down so far.", (0.37, 0.87, 0.38, 0.10, 0.25, 0.73)),
    Person("hurt", "A pensioner who lives with a parent who needs care, answers late at night and was sent from one desk to the next.", (0.77, 0.16, 0.80, 0.14, 0.62, 0.13)),
    Person("unsure", "A nurse who lives alone, reads everything twice and was sent from one desk to the next.", (0.22, 0.98, 0.87, 0.29, 0.96, 0.54)),
    Person("friendly", "A painter who lives with a partner, signs every message and once waited three weeks for an answer.", (0.97, 0.89, 0.30, 0.36, 0.17, 0.15)),
    Person("hurried", "A teacher who lives on a farm, skips what looks long and was sent from one desk to the next.", (0.60, 0.00, 0.68, 0.34, 0.31, 0.82)),
    Person("careful", "A librarian who lives on a farm, answers late at night and had one very good experience.", (0.47, 0.18, 0.26, 0.94, 0.95, 0.36)),
    Person("hurt", "A student who lives alone, double-checks prices and was sent from one desk to the next.", (0.42, 0.38, 0.84, 0.45, 0.71, 0.62)),
    Person("unsure", "A painter who lives with two children, reads everything twice and was sent from one desk to the next.", (0.94, 0.34, 0.35, 0.52, 0.78, 0.11)),
    Person("friendly", "A pilot who lives with a parent who needs care, writes on the way to work and had one very good experience.", (0.95, 0.09, 0.34, 0.61, 0.92, 0.34)),
    Person("hurried", "A guard who lives with two children, skips what looks long and gave up halfway the last time.", (0.32, 0.18, 0.08, 0.15, 0.69, 1.00)),
    Person("careful", "A lawyer who lives alone, types with one thumb and does not remember any trouble.", (0.53, 0.41, 0.24, 0.59, 0.83, 0.46)),
    Person("hurt", "A pensioner who lives with a partner, writes on the way to work and gave up halfway the last time.", (0.03, 0.49, 0.84, 0.13, 0.73, 0.95)),
    Person("unsure", "A pensioner who lives with two children, answers late at night and had one very good experience.", (0.37, 0.06, 0.42, 0.14, 0.92, 0.62)),
    Person("friendly", "A lawyer who lives in the middle of the city, prefers a call and gave up halfway the last time.", (0.73, 0.48, 0.29, 0.40, 0.15, 0.38)),
    Person("hurried", "A guard who lives with a partner, never uses capitals and had one very good experience.", (0.87, 0.18, 0.49, 0.52, 0.55, 0.50)),
    Person("careful", "A teacher who lives on a farm, signs every message and does not remember any trouble.", (0.66, 0.76, 0.36, 0.70, 0.28, 0.49)),
    Person("hurt", "A waiter who lives on a farm, never uses capitals and once waited three weeks for an answer.", (0.58, 0.01, 0.55, 0.25, 0.67, 0.46)),
    Person("unsure", "A musician who lives on a farm, keeps every receipt and was charged twice last year.", (0.64, 0.74, 0.83, 0.35, 0.84, 0.87)),
    Person("friendly", "A engineer who lives on a farm, keeps every receipt and does not remember any trouble.", (0.14, 0.98, 0.20, 0.36, 0.85, 0.28)),
    Person("hurried", "A teacher who lives in a small town, answers late at night and does not remember any trouble.", (0.78, 0.58, 0.67, 0.42, 0.62, 0.77)),
    Person("careful", "A cook who lives alone, reads everything twice and once waited three weeks for an answer.", (0.59, 0.62, 0.18, 0.76, 0.18, 0.72)),
    Person("hurt", "A librarian who lives in a shared flat, answers late at night and was never let down so far.", (0.89, 0.11, 0.97, 0.48, 0.55, 0.42)),
    Person("unsure", "A pilot who lives in a small town, never uses capitals and does not remember any trouble.", (0.07, 0.20, 0.72, 0.37, 0.35, 0.95)),
    Person("friendly", "A pensioner who lives with two children, signs every message and was sent from one desk to the next.", (0.55, 0.96, 0.55, 0.30, 0.30, 0.51)),
    Person("hurried", "A cleaner who lives with a parent who needs care, keeps every receipt and was sent from one desk to the next.", (0.13, 0.41, 0.56, 0.54, 0.47, 0.16)),
    Person("careful", "A student who lives in the middle of the city, reads everything twice and once waited three weeks for an answer.", (0.61, 0.35, 0.89, 0.00, 0.11, 0.57)),
    Person("hurt", "A florist who lives with a partner, keeps every receipt and gave up halfway the last time.", (0.88, 0.56, 0.43, 0.98, 0.49, 0.48)),
    Person("unsure", "A student who lives in a small town, answers late at night and does not remember any trouble.", (0.59, 0.74, 0.30, 0.25, 0.02, 0.95)),
    Person("friendly", "A waiter who lives in the middle of the city, skips what looks long and once waited three weeks for an answer.", (0.48, 0.12, 0.62, 0.44, 0.29, 0.78)),
    Person("hurried", "A student who lives alone, prefers a call and does not remember any trouble.", (0.56, 0.24, 0.47, 0.04, 0.49, 0.84)),
    Person("careful", "A waiter who lives with a parent who needs care, prefers a call and does not remember any trouble.", (0.99, 0.52, 0.86, 0.88, 0.90, 0.02)),
    Person("hurt", "A baker who lives with a parent who needs care, skips what looks long and does not remember any trouble.", (0.71, 0.61, 0.73, 0.03, 0.35, 0.68)),
    Person("unsure", "A cleaner who lives with a partner, writes on the way to work and was never let down so far.", (0.25, 0.46, 0.92, 0.89, 0.55, 0.01)),
    Person("friendly", "A pensioner who lives in the middle of the city, dislikes the phone and had one very good experience.", (0.39, 0.85, 0.20, 0.30, 0.83, 0.07)),
    Person("hurried", "A nurse who lives in a small town, asks a friend first and was charged twice last year.", (0.65, 0.47, 0.31, 0.17, 0.70, 0.89)),
    Person("careful", "A plumber who lives with a partner, dislikes the phone and does not remember any trouble.", (0.54, 0.05, 0.73, 0.27, 0.09, 0.06)),
    Person("hurt", "A nurse who lives on a farm, signs every message and had one very good experience.", (0.98, 1.00, 0.70, 0.05, 0.84, 0.22)),
    Person("unsure", "A clerk who lives with a partner, skips what looks long and gave up halfway the last time.", (0.92, 0.15, 0.61, 0.41, 0.16, 0.62)),
    Person("friendly", "A driver who lives with two children, never uses capitals and had one very good experience.", (0.75, 0.28, 0.57, 0.12, 0.40, 0.62)),
    Person("hurried", "A nurse who lives in a small town, types with one thumb and was charged twice last year.", (0.69, 0.49, 0.35, 0.66, 0.91, 0.14)),
    Person("careful", "A waiter who lives with a partner, asks a friend first and gave up halfway the last time.", (0.68, 0.29, 0.94, 0.55, 0.22, 0.06)),
    Person("hurt", "A farmer who lives with a parent who needs care, skips what looks long and does not remember any trouble.", (0.98, 0.81, 0.86, 0.45, 0.39, 0.13)),
    Person("unsure", "A nurse who lives on a farm, types with one thumb and does not remember any trouble.", (0.67, 0.09, 0.12, 0.59, 0.24, 0.88)),
    Person("friendly", "A librarian who lives on a farm, types with one thumb and was sent from one desk to the next.", (0.53, 0.54, 0.38, 0.85, 0.94, 0.43)),
    Person("hurried", "A farmer who lives with two children, types with one thumb and gave up halfway the last time.", (0.49, 0.21, 0.70, 0.38, 0.84, 0.29)),
    Person("careful", "A florist who lives on a farm, dislikes the phone and had one very good experience.", (0.14, 0.83, 0.65, 0.80, 0.43, 0.85)),
    Person("hurt", "A musician who lives alone, asks a friend first and does not remember any trouble.", (0.21, 0.18, 0.06, 0.04, 0.19, 0.20)),
    Person("unsure", "A librarian who lives in the middle of the city, never uses capitals and was sent from one desk to the next.", (0.35, 0.43, 0.30, 0.93, 0.92, 0.32)),
    Person("friendly", "A engineer who lives with two children, reads everything twice and once waited three weeks for an answer.", (0.65, 0.07, 0.87, 0.87, 0.47, 0.55)),
    Person("hurried", "A clerk who lives with a parent who needs care, answers late at night and was sent from one desk to the next.", (0.29, 0.24, 0.48, 0.03, 0.92, 0.37)),
    Person("careful", "A driver who lives alone, never uses capitals and had one very good experience.", (0.47, 0.95, 0.12, 0.67, 0.29, 0.67)),
    Person("hurt", "A lawyer who lives alone, reads everything twice and gave up halfway the last time.", (0.02, 0.23, 0.08, 0.40, 0.97, 0.36)),
    Person("unsure", "A waiter who lives with a partner, prefers a call and was charged twice last year.", (0.28, 0.73, 0.72, 0.16, 0.24, 0.67)),
    Person("friendly", "A driver who lives in a small town, signs every message and was charged twice last year.", (0.01, 0.06, 0.78, 0.41, 0.04, 0.55)),
    Person("hurried", "A musician who lives on a farm, types with one thumb and gave up halfway the last time.", (0.07, 0.90, 0.49, 0.94, 0.05, 0.24)),
    Person("careful", "A driver who lives in the middle of the city, dislikes the phone and was sent from one desk to the next.", (0.06, 0.26, 0.41, 0.31, 0.05, 0.04)),
    Person("hurt", "A painter who lives with a partner, signs every message and does not remember any trouble.", (0.64, 0.19, 0.23, 0.93, 0.79, 0.09)),
    Person("unsure", "A lawyer who lives with two children, signs every message and once waited three weeks for an answer.", (0.62, 0.44, 0.36, 0.42, 0.77, 0.52)),
    Person("friendly", "A baker who lives alone, skips what looks long and gave up halfway the last time.", (0.45, 0.83, 0.22, 0.12, 0.31, 0.09)),
    Person("hurried", "A cook who lives in a small town, keeps every receipt and once waited three weeks for an answer.", (0.13, 0.08, 0.24, 0.08, 0.43, 0.58)),
    Person("careful", "A farmer who lives with a parent who needs care, writes on the way to work and had one very good experience.", (0.70, 0.05, 0.20, 0.29, 0.37, 0.10)),
    Person("hurt", "A pensioner who lives on a farm, dislikes the phone and was sent from one desk to the next.", (0.77, 0.00, 0.29, 0.94, 0.13, 0.03)),
    Person("unsure", "A baker who lives alone, signs every message and was never let down so far.", (0.70, 0.27, 0.81, 0.38, 0.13, 0.07)),
    Person("friendly", "A lawyer who lives with a partner, skips what looks long and had one very good experience.", (0.68, 0.29, 0.06, 0.76, 0.56, 0.03)),
    Person("hurried", "A driver who lives with a partner, keeps every receipt and had one very good experience.", (0.86, 0.95, 0.61, 0.23, 0.43, 0.36)),
    Person("careful", "A plumber who lives on a farm, writes on the way to work and once waited three weeks for an answer.", (0.58, 0.83, 0.73, 0.10, 0.53, 0.17)),
    Person("hurt", "A baker who lives in the middle of the city, dislikes the phone and was sent from one desk to the next.", (0.43, 0.33, 0.45, 0.23, 0.60, 0.17)),
    Person("unsure", "A driver who lives with a partner, double-checks prices and had one very good experience.", (0.97, 0.60, 0.10, 0.81, 0.42, 0.05)),
    Person("friendly", "A nurse who lives alone, asks a friend first and once waited three weeks for an answer.", (0.48, 0.88, 0.39, 0.22, 0.28, 0.20)),
    Person("hurried", "A guard who lives on a farm, reads everything twice and was charged twice last year.", (0.35, 0.25, 0.98, 0.84, 0.85, 0.62)),
    Person("careful", "A student who lives on a farm, answers late at night and once waited three weeks for an answer.", (0.83, 0.49, 0.04, 0.17, 0.10, 0.72)),
    Person("hurt", "A painter who lives on a farm, prefers a call and gave up halfway the last time.", (0.47, 0.53, 0.09, 0.20, 0.69, 0.10)),
    Person("unsure", "A florist who lives with a partner, dislikes the phone and was never let down so far.", (0.32, 0.03, 0.31, 0.38, 0.48, 0.70)),
    Person("friendly", "A student who lives in the middle of the city, asks a friend first and gave up halfway the last time.", (0.56, 0.06, 0.15, 0.42, 0.96, 0.02)),
    Person("hurried", "A musician who lives in a shared flat, skips what looks long and was charged twice last year.", (0.08, 0.09, 0.36, 0.58, 0.76, 0.71)),
    Person("careful", "A waiter who lives alone, skips what looks long and gave up halfway the last time.", (0.23, 0.04, 0.09, 0.96, 0.30, 0.35)),
    Person("hurt", "A florist who lives in a shared flat, prefers a call and does not remember any trouble.", (0.09, 0.12, 0.34, 0.79, 0.42, 0.97)),
    Person("unsure", "A student who lives in a small town, answers late at night and was sent from one desk to the next.", (0.65, 0.90, 0.91, 0.61, 0.39, 0.11)),
    Person("friendly", "A guard who lives on a farm, reads everything twice and was never let down so far.", (0.21, 0.31, 0.27, 0.62, 0.90, 0.17)),
    Person("hurried", "A pensioner who lives with a partner, reads everything twice and gave up halfway the last time.", (0.06, 0.57, 0.83, 0.88, 0.73, 0.42)),
    Person("careful", "A pensioner who lives in the middle of the city, double-checks prices and does not remember any trouble.", (0.90, 0.30, 0.28, 0.61, 0.97, 0.19)),
    Person("hurt", "A nurse who lives with a partner, types with one thumb and was charged twice last year.", (0.56, 0.60, 0.18, 0.19, 0.59, 0.65)),
    Person("unsure", "A plumber who lives with two children, writes on the way to work and had one very good experience.", (0.14, 0.52, 0.07, 0.19, 0.47, 0.38)),
    Person("friendly", "A farmer who lives in the middle of the city, types with one thumb and was never let down so far.", (0.19, 0.16, 0.09, 0.15, 0.62, 0.10)),
    Person("hurried", "A engineer who lives on a farm, answers late at night and gave up halfway the last time.", (0.89, 0.55, 0.58, 0.87, 0.87, 0.37)),
    Person("careful", "A teacher who lives in a shared flat, reads everything twice and was charged twice last year.", (0.37, 0.46, 0.68, 0.74, 0.08, 0.40)),
    Person("hurt", "A guard who lives in the middle of the city, dislikes the phone and was never let down so far.", (0.12, 0.60, 0.37, 0.68, 0.50, 0.96)),
    Person("unsure", "A teacher who lives in the middle of the city, signs every message and gave up halfway the last time.", (0.30, 0.12, 0.48, 0.35, 0.74, 0.92)),
    Person("friendly", "A student who lives with a partner, skips what looks long and had one very good experience.", (0.64, 0.77, 0.09, 0.11, 0.41, 0.94)),
    Person("hurried", "A teacher who lives in a small town, writes on the way to work and once waited three weeks for an answer.", (0.42, 0.24, 0.67, 0.07, 0.27, 0.10)),
    Person("careful", "A librarian who lives in a small town, answers late at night and does not remember any trouble.", (0.84, 0.86, 0.25, 0.45, 0.13, 0.08)),
    Person("hurt", "A baker who lives on a farm, writes on the way to work and was never let down so far.", (0.25, 0.46, 0.38, 0.52, 0.05, 0.22)),
    Person("unsure", "A engineer who lives alone, prefers a call and does not remember any trouble.", (0.09, 0.28, 0.95, 0.69, 0.51, 0.05)),
    Person("friendly", "A student who lives in a small town, asks a friend first and gave up halfway the last time.", (0.65, 0.64, 0.04, 0.02, 0.77, 0.41)),
    Person("hurried", "A pensioner who lives in a small town, writes on the way to work and was sent from one desk to the next.", (0.76, 0.89, 0.15, 0.78, 0.42, 0.97)),
    Person("careful", "A pilot who lives in a shared flat, dislikes the phone and had one very good experience.", (0.19, 0.14, 0.36, 0.00, 0.63, 0.77)),
    Person("hurt", "A engineer who lives with two children, types with one thumb and gave up halfway the last time.", (0.38, 0.90, 0.89, 0.20, 0.02, 0.83)),
    Person("unsure", "A plumber who lives in the middle of the city, answers late at night and had one very good experience.", (0.24, 0.92, 0.94, 0.03, 0.18, 0.43)),
    Person("friendly", "A cook who lives with a partner, never uses capitals and was charged twice last year.", (0.33, 0.21, 0.29, 0.90, 0.89, 0.56)),
    Person("hurried", "A waiter who lives with two children, types with one thumb and gave up halfway the last time.", (0.40, 0.30, 0.91, 0.55, 0.44, 0.87)),
    Person("careful", "A cleaner who lives with a partner, skips what looks long and was never let down so far.", (0.55, 0.73, 0.13, 0.48, 0.71, 0.01)),
    Person("hurt", "A painter who lives in a small town, reads everything twice and does not remember any trouble.", (0.72, 0.24, 0.31, 0.80, 0.24, 0.69)),
    Person("unsure", "A pilot who lives alone, double-checks prices and was charged twice last year.", (0.44, 0.10, 0.12, 0.91, 0.57, 0.28)),
    Person("friendly", "A cleaner who lives in a small town, dislikes the phone and was charged twice last year.", (0.85, 0.59, 0.68, 0.64, 0.06, 0.21)),
    Person("hurried", "A florist who lives in a small town, types with one thumb and does not remember any trouble.", (0.30, 0.55, 0.83, 0.14, 0.35, 0.49)),
    Person("careful", "A cleaner who lives in a shared flat, asks a friend first and had one very good experience.", (0.04, 0.74, 0.12, 0.89, 0.37, 0.34)),
    Person("hurt", "A cook who lives in the middle of the city, answers late at night and gave up halfway the last time.", (0.12, 0.25, 0.02, 0.25, 0.17, 0.79)),
    Person("unsure", "A cook who lives in the middle of the city, answers late at night and does not remember any trouble.", (0.14, 0.05, 0.74, 0.56, 0.01, 0.04)),
    Person("friendly", "A florist who lives in the middle of the city, never uses capitals and was sent from one desk to the next.", (0.65, 0.03, 0.41, 0.41, 0.53, 0.44)),
    Person("hurried", "A cleaner who lives in a shared flat, double-checks prices and gave up halfway the last time.", (0.11, 0.06, 0.68, 0.09, 0.07, 0.46)),
    Person("careful", "A musician who lives with two children, never uses capitals and gave up halfway the last time.", (0.84, 0.12, 0.75, 0.26, 0.30, 0.00)),
    Person("hurt", "A plumber who lives in the middle of the city, prefers a call and had one very good experience.", (0.16, 0.22, 0.26, 0.95, 0.21, 0.09)),
    Person("unsure", "A pilot who lives with two children, never uses capitals and had one very good experience.", (0.44, 0.52, 0.39, 0.20, 0.92, 0.17)),
    Person("friendly", "A musician who lives in the middle of the city, asks a friend first and was charged twice last year.", (0.91, 0.15, 0.27, 0.49, 0.54, 0.90)),
    Person("hurried", "A guard who lives in a shared flat, never uses capitals and once waited three weeks for an answer.", (0.42, 0.78, 0.84, 0.29, 0.11, 0.26)),
    Person("careful", "A pilot who lives with a parent who needs care, prefers a call and gave up halfway the last time.", (0.71, 0.09, 0.81, 0.69, 0.11, 0.10)),
    Person("hurt", "A waiter who lives with a partner, writes on the way to work and was sent from one desk to the next.", (0.97, 0.38, 0.64, 0.72, 0.26, 0.41)),
    Person("unsure", "A plumber who lives with two children, skips what looks long and was never let down so far.", (0.29, 0.34, 1.00, 0.41, 0.07, 0.07)),
    Person("friendly", "A driver who lives with two children, signs every message and does not remember any trouble.", (0.41, 0.46, 0.07, 0.42, 0.94, 0.54)),
    Person("hurried", "A clerk who lives on a farm, keeps every receipt and was never let down so far.", (0.47, 0.10, 0.77, 0.11, 0.54, 0.08)),
    Person("careful", "A guard who lives in a small town, dislikes the phone and was never let down so far.", (0.27, 0.55, 0.97, 0.43, 0.21, 0.51)),
    Person("hurt", "A baker who lives in a small town, never uses capitals and gave up halfway the last time.", (0.18, 0.19, 0.88, 0.71, 0.07, 0.31)),
    Person("unsure", "A engineer who lives with a parent who needs care, prefers a call and does not remember any trouble.", (0.92, 0.57, 0.50, 0.28, 0.74, 0.26)),
    Person("friendly", "A librarian who lives in a small town, signs every message and does not remember any trouble.", (0.10, 0.60, 0.46, 0.95, 0.77, 0.45)),
    Person("hurried", "A farmer who lives with a partner, reads everything twice and once waited three weeks for an answer.", (0.64, 0.72, 0.26, 0.46, 0.68, 0.80)),
    Person("careful", "A librarian who lives with two children, skips what looks long and does not remember any trouble.", (0.89, 0.63, 0.70, 0.54, 0.56, 0.21)),
    Person("hurt", "A nurse who lives on a farm, asks a friend first and does not remember any trouble.", (0.48, 0.84, 0.87, 0.52, 0.60, 0.61)),
    Person("unsure", "A driver who lives with a parent who needs care, answers late at night and does not remember any trouble.", (0.42, 0.41, 0.98, 0.13, 0.66, 0.76)),
    Person("friendly", "A driver who lives alone, prefers a call and once waited three weeks for an answer.", (0.31, 0.85, 0.66, 0.42, 0.84, 0.68)),
    Person("hurried", "A plumber who lives on a farm, signs every message and gave up halfway the last time.", (0.61, 0.80, 0.16, 0.49, 0.00, 0.79)),
    Person("careful", "A engineer who lives on a farm, writes on the way to work and once waited three weeks for an answer.", (0.54, 0.48, 0.12, 0.20, 0.97, 0.85)),
    Person("hurt", "A farmer who lives in a small town, never uses capitals and was never let down so far.", (0.38, 0.64, 0.23, 0.27, 0.01, 0.66)),
    Person("unsure", "A cleaner who lives with two children, signs every message and does not remember any trouble.", (0.37, 0.58, 0.22, 0.09, 0.56, 0.55)),
    Person("friendly", "A engineer who lives alone, skips what looks long and does not remember any trouble.", (0.84, 0.15, 0.06, 0.01, 0.77, 0.11)),
    Person("hurried", "A engineer who lives in the middle of the city, prefers a call and had one very good experience.", (0.29, 0.07, 0.77, 0.70, 0.61, 0.47)),
    Person("careful", "A florist who lives in a shared flat, writes on the way to work and gave up halfway the last time.", (0.88, 0.99, 0.20, 0.07, 0.34, 0.10)),
    Person("hurt", "A pilot who lives with two children, answers late at night and once waited three weeks for an answer.", (0.40, 0.03, 0.06, 0.19, 0.87, 0.39)),
    Person("unsure", "A clerk who lives in a small town, signs every message and once waited three weeks for an answer.", (0.22, 0.40, 0.45, 0.41, 0.03, 0.46)),
    Person("friendly", "A painter who lives with a parent who needs care, types with one thumb and was sent from one desk to the next.", (0.23, 0.42, 0.81, 0.82, 0.90, 0.56)),
    Person("hurried", "A engineer who lives in a shared flat, reads everything twice and was charged twice last year.", (0.58, 0.72, 0.87, 0.05, 0.82, 0.97)),
    Person("careful", "A lawyer who lives on a farm, never uses capitals and was never let down so far.", (0.71, 0.43, 0.82, 0.63, 0.18, 0.54)),
    Person("hurt", "A pensioner who lives with two children, signs every message and was never let down so far.", (0.70, 0.47, 0.83, 0.90, 0.73, 0.89)),
    Person("unsure", "A librarian who lives with a partner, keeps every receipt and was never let down so far.", (0.99, 0.72, 0.37, 0.89, 0.26, 0.57)),
    Person("friendly", "A plumber who lives in a small town, answers late at night and had one very good experience.", (0.43, 0.44, 0.82, 0.23, 0.29, 0.82)),
    Person("hurried", "A teacher who lives in the middle of the city, reads everything twice and was never let down so far.", (0.67, 0.59, 0.09, 0.73, 0.41, 0.32)),
    Person("careful", "A driver who lives with a parent who needs care, never uses capitals and gave up halfway the last time.", (0.78, 0.93, 0.89, 0.76, 0.87, 0.68)),
    Person("hurt", "A teacher who lives alone, prefers a call and does not remember any trouble.", (0.88, 0.22, 0.30, 0.42, 0.62, 0.57)),
    Person("unsure", "A musician who lives in a shared flat, skips what looks long and was sent from one desk to the next.", (0.09, 0.30, 0.93, 0.29, 0.10, 0.35)),
    Person("friendly", "A pensioner who lives with two children, keeps every receipt and was sent from one desk to the next.", (0.21, 0.68, 0.46, 0.10, 0.86, 0.33)),
    Person("hurried", "A engineer who lives alone, asks a friend first and once waited three weeks for an answer.", (0.89, 0.31, 0.46, 0.89, 0.53, 0.51)),
    Person("careful", "A teacher who lives in the middle of the city, dislikes the phone and gave up halfway the last time.", (0.20, 0.73, 0.93, 0.12, 0.06, 0.32)),
    Person("hurt", "A driver who lives with a parent who needs care, keeps every receipt and had one very good experience.", (0.60, 0.59, 0.18, 0.45, 0.73, 0.04)),
    Person("unsure", "A clerk who lives alone, types with one thumb and was never let down so far.", (0.29, 0.29, 0.43, 0.23, 0.43, 0.30)),
    Person("friendly", "A plumber who lives in a small town, prefers a call and does not remember any trouble.", (0.46, 0.04, 0.37, 1.00, 0.85, 0.09)),
    Person("hurried", "A engineer who lives with a parent who needs care, keeps every receipt and was sent from one desk to the next.", (0.34, 0.63, 0.12, 0.40, 0.45, 0.26)),
    Person("careful", "A baker who lives in the middle of the city, keeps every receipt and was charged twice last year.", (0.18, 0.98, 0.01, 0.68, 0.32, 0.19)),
    Person("hurt", "A baker who lives in a small town, asks a friend first and does not remember any trouble.", (0.45, 0.29, 0.04, 0.82, 0.66, 0.24)),
    Person("unsure", "A librarian who lives alone, types with one thumb and was sent from one desk to the next.", (0.55, 0.10, 0.34, 0.35, 0.85, 0.01)),
    Person("friendly", "A painter who lives in the middle of the city, writes on the way to work and was charged twice last year.", (0.48, 0.20, 0.92, 0.99, 0.33, 0.31)),
    Person("hurried", "A pilot who lives in the middle of the city, writes on the way to work and was never let down so far.", (0.70, 0.76, 0.11, 0.69, 0.12, 0.90)),
    Person("careful", "A clerk who lives on a farm, keeps every receipt and was charged twice last year.", (0.41, 0.78, 0.31, 0.39, 0.24, 0.96)),
    Person("hurt", "A nurse who lives with a parent who needs care, prefers a call and was sent from one desk to the next.", (0.23, 0.06, 0.75, 0.76, 0.94, 0.22)),
    Person("unsure", "A cleaner who lives with two children, skips what looks long and had one very good experience.", (0.04, 0.26, 0.46, 0.12, 0.08, 0.25)),
    Person("friendly", "A pilot who lives in a shared flat, asks a friend first and had one very good experience.", (0.01, 0.70, 0.00, 0.95, 0.52, 0.35)),
    Person("hurried", "A cook who lives in a shared flat, asks a friend first and was charged twice last year.", (0.45, 0.69, 0.59, 0.20, 0.91, 0.56)),
    Person("careful", "A teacher who lives in a shared flat, reads everything twice and once waited three weeks for an answer.", (0.38, 0.65, 0.22, 0.84, 0.14, 0.76)),
    Person("hurt", "A lawyer who lives with two children, asks a friend first and does not remember any trouble.", (0.62, 0.84, 0.60, 0.22, 0.44, 0.31)),
    Person("unsure", "A cook who lives with two children, asks a friend first and once waited three weeks for an answer.", (0.59, 0.80, 0.65, 0.68, 0.64, 0.57)),
    Person("friendly", "A musician who lives alone, skips what looks long and was never let down so far.", (0.56, 0.61, 0.66, 0.31, 0.28, 0.47)),
    Person("hurried", "A florist who lives on a farm, answers late at night and once waited three weeks for an answer.", (0.45, 0.56, 0.19, 0.10, 0.93, 0.02)),
    Person("careful", "A librarian who lives with a partner, skips what looks long and does not remember any trouble.", (0.03, 0.27, 0.16, 0.40, 0.91, 0.08)),
    Person("hurt", "A pilot who lives with a parent who needs care, signs every message and was never let down so far.", (0.62, 0.02, 0.23, 0.28, 0.89, 0.44)),
    Person("unsure", "A cook who lives with two children, prefers a call and had one very good experience.", (0.49, 0.15, 0.67, 0.72, 0.48, 0.54)),
    Person("friendly", "A student who lives alone, reads everything twice and does not remember any trouble.", (0.77, 0.26, 0.50, 0.18, 0.43, 0.81)),
    Person("hurried", "A lawyer who lives in a small town, signs every message and was sent from one desk to the next.", (0.71, 0.70, 0.23, 0.61, 0.62, 0.06)),
    Person("careful", "A farmer who lives in a small town, prefers a call and had one very good experience.", (0.52, 0.72, 0.77, 0.47, 0.94, 0.44)),
    Person("hurt", "A cleaner who lives in a shared flat, reads everything twice and was charged twice last year.", (0.71, 0.22, 0.15, 0.12, 0.45, 0.47)),
    Person("unsure", "A nurse who lives with a partner, writes on the way to work and had one very good experience.", (0.70, 0.68, 0.14, 0.11, 0.05, 0.76)),
    Person("friendly", "A pensioner who lives in the middle of the city, answers late at night and was never let down so far.", (0.76, 0.33, 0.77, 0.53, 0.67, 0.64)),
    Person("hurried", "A plumber who lives in a shared flat, answers late at night and had one very good experience.", (0.51, 0.85, 0.89, 0.32, 0.77, 0.59)),
    Person("careful", "A nurse who lives in the middle of the city, writes on the way to work and once waited three weeks for an answer.", (0.19, 0.93, 0.28, 0.30, 0.81, 0.24)),
]
SHARES = {"hurried": 0.3, "careful": 0.25, "hurt": 0.15, "unsure": 0.1, "friendly": 0.2}
NAMES = [axis["name"] for axis in AXES]


def quotas(n):
    """How many of each group, by largest remainders."""
    exact = {group: share * n for group, share in SHARES.items()}
    counts = {group: int(value) for group, value in exact.items()}
    for group in sorted(exact, key=lambda g: (counts[g] - exact[g], g))[: n - sum(counts.values())]:
        counts[group] += 1
    return counts


def varied(person, rng, width=0.08):
    return {name: max(0.0, min(1.0, level + rng.uniform(-width, width))) for name, level in zip(NAMES, person.levels, strict=True)}


def generate(task, n, rng, model=None):
    groups = defaultdict(list)
    for person in PEOPLE:
        groups[person.group].append(person)
    chosen = []
    for group, count in quotas(n).items():
        chosen += rng.sample(groups[group], count) if count <= len(groups[group]) else rng.choices(groups[group], k=count)
    rng.shuffle(chosen)
    return [{"id": f"{p.group}-{i}", "description": p.text, "behaviors": varied(p, rng)} for i, p in enumerate(chosen)]
