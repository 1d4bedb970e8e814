"""Refine a profile of one person against their behavior, and play them in your own simulator; see personaevo.refine.

    python examples/refine_person.py PERSON.json [OTHERS.json]

Without OTHERS (a folder with one file per person, or an index) the person is compared with the people of the domain's reference.
"""

import sys

import personaevo as pe
from personaevo.refine.items.reading import read_people

others = list(read_people(sys.argv[2])) if len(sys.argv) > 2 else []
result = pe.refine_profile("population", sys.argv[1], others_known=others)
before, after = result.outcomes["start"].value, result.outcomes["refined"].value
where = "in-sample" if result.in_sample else "on held-out behavior"
print(f"{result.person}: {result.accepted} updates kept; score {where}: {before:.2f} at the start, {after:.2f} now")
print(result.profile.persona().overlay("You call a charity because of a letter it sent you."))
