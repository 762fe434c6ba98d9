"""Level-5 families that tell a story: patients who wait, shows that overlap, ways with a condition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import Any

from tasks.starter.family import Family, Op, slip
from tasks.starter.graphs import COSTS, TOWNS

Patient = tuple[int, int, int]
"""Arrival, urgency and minutes of treatment."""
Visit = tuple[int, int, int]
"""Number of a patient (from 1), when the treatment begins, and when it ends."""


def _first(name: str, phrase: str, code: str, key: Callable[[Patient], Any], *slips: Op) -> Op:
    return Op(f"first:{name}", phrase, f"({code}, i)", key, slips)


FIRST = (
    _first("arrival", "the one who came first", "come[i]", lambda p: p[0]),
    _first("urgent", "the one with the largest urgency", "-urgency[i]", lambda p: -p[1],
           slip("(urgency[i], i)", lambda p: p[1])),
    _first("short", "the one with the shortest treatment", "take[i]", lambda p: p[2],
           slip("(-take[i], i)", lambda p: -p[2])),
    _first("late", "the one who came last", "-come[i]", lambda p: -p[0]),
)  # fmt: skip
DOCTORS = tuple(
    Op(f"doctors:{n}", f"{word} works", f"[0] * {n}", lambda n=n: n)
    for n, word in ((1, "one doctor"), (2, "a team of two doctors"), (3, "a team of three doctors"))
)
NOTED = (
    Op("noted:order", "the numbers of the patients in the order in which their treatments begin (of two that begin at "
       "the same time, the one who is called first)", "*(i + 1 for i, start in visits)",
       lambda v, p: " ".join(str(i) for i, _, _ in v)),
    Op("noted:end", "when the last treatment ends", "max(start + take[i] for i, start in visits)",
       lambda v, p: str(max(end for _, _, end in v)),
       (slip("visits[-1][1] + take[visits[-1][0]]", lambda v, p: str(v[-1][2])),)),
    Op("noted:waiting", "how many minutes all patients wait, taken together",
       "sum(start - come[i] for i, start in visits)",
       lambda v, p: str(sum(start for _, start, _ in v) - sum(come for come, _, _ in p))),
    Op("noted:longest", "how many minutes the patient waits who waits longest",
       "max(start - come[i] for i, start in visits)",
       lambda v, p: str(max(start - p[i - 1][0] for i, start, _ in v))),
    Op("noted:at-once", "how many patients do not wait at all", "sum(start == come[i] for i, start in visits)",
       lambda v, p: str(len([i for i, start, _ in v if start == p[i - 1][0]])),
       (slip("sum(start <= come[i] + 1 for i, start in visits)",
             lambda v, p: str(len([i for i, start, _ in v if start <= p[i - 1][0] + 1]))),)),
)  # fmt: skip


def _patients(rng: Random, small: bool) -> str:
    n = rng.randint(4, 5) if small else rng.randint(4, 12)
    rows = [f"{rng.randint(0, 3 * n)} {rng.randint(1, 5)} {rng.randint(1, 9)}" for _ in range(n)]
    return "\n".join([str(n), *rows])


def _solve_clinic(text: str, first: Op, doctors: Op, noted: Op) -> str:
    patients: list[Patient] = [tuple(map(int, line.split())) for line in text.split("\n")[1:]]  # type: ignore[misc]
    visits: list[Visit] = []
    left = dict(enumerate(patients, 1))
    minute = 0
    while left:
        here = [i for i, patient in left.items() if patient[0] <= minute]
        busy = sum(start <= minute < end for _, start, end in visits)
        if here and busy < doctors.run():
            number = min(here, key=lambda i: (first.run(patients[i - 1]), i))
            visits.append((number, minute, minute + left.pop(number)[2]))
        else:
            minute += 1
    return str(noted.run(visits, patients))


def _differs(first: Op, doctors: Op, noted: Op) -> bool:
    """Who comes first does not change when one doctor is through; nor how many doctors there are, who came first."""
    if first.name == "first:arrival":
        return noted.name != "noted:order" or doctors.run() == 1
    return noted.name != "noted:end" or doctors.run() > 1


CLINIC = Family(
    name="clinic",
    level=5,
    axes=(FIRST, DOCTORS, NOTED),
    templates=(
        "In a clinic {1}. The first line is n; n lines follow, one for each patient (numbered from 1): the minute of "
        "arrival, the urgency and the minutes of treatment. Whenever a doctor is free and somebody waits, {0} is "
        "called (of equal ones, the one who is named first in the input). Print {2}.",
        "Read n and then n patients, numbered from 1: when they come, how urgent it is (5 is most urgent), how long "
        "their treatment takes. In the clinic {1}. As soon as someone waits and a doctor is free, {0} is treated; "
        "equal ones go by their numbers. Output {2}.",
    ),
    program=lambda first, doctors, noted: (
        "from heapq import heapreplace\nn = int(input())\n"
        "come, urgency, take = zip(*(map(int, input().split()) for i in range(n)))\n"
        f"free = {doctors.code}\nleft = set(range(n))\nvisits = []\nwhile left:\n"
        "    now = max(free[0], min(come[i] for i in left))\n"
        f"    i = min((i for i in left if come[i] <= now), key=lambda i: {first.code})\n"
        f"    visits.append((i, now))\n    heapreplace(free, now + take[i])\n    left.remove(i)\nprint({noted.code})"
    ),
    solve=_solve_clinic,
    draw=_patients,
    edges=(
        "1\n0 1 5", "1\n7 2 1", "3\n0 1 3\n0 5 2\n0 5 1", "3\n5 1 9\n4 1 9\n3 1 9", "4\n0 1 4\n4 2 4\n8 3 4\n12 4 4",
        "5\n0 3 9\n1 2 5\n2 5 5\n2 4 1\n30 1 2", "6\n1 1 1\n1 1 1\n1 1 1\n1 2 3\n1 2 3\n1 2 2",
        "5\n9 1 2\n0 1 6\n2 5 6\n3 4 2\n3 4 1", "4\n0 1 2\n1 1 9\n2 1 1\n2 3 1",
    ),
    keep=_differs,
    held_out=True,
)  # fmt: skip

Show = tuple[int, int, int]
"""Start, end, and how much it is liked."""


def _gain(name: str, phrase: str, code: str, run: Callable[[list[Show]], int], *slips: Op) -> Op:
    """`code`: what a show adds, and what may stand before it."""
    return Op(f"goal:{name}", phrase, code, run, slips)


GAINS = (
    _gain("liking", "the largest sum of points of shows that one can see", "p\nbest[j]",
          lambda shows: sum(p for _, _, p in shows)),
    _gain("number", "the largest number of shows that one can see", "1\nbest[j]", len),
    _gain("time", "the largest number of minutes that one can spend in shows", "e - s\nbest[j]",
          lambda shows: sum(e - s for s, e, _ in shows)),
    _gain("two", "the largest sum of points when one sees two shows at most", "p\nshows[j][2]",
          lambda shows: sum(p for _, _, p in shows) if len(shows) < 3 else 0,
          slip("p\nbest[j]", lambda shows: sum(p for _, _, p in shows))),
)  # fmt: skip
PAUSES = (
    Op("pause:none", "at the minute when the one before it ends, or later", "0", lambda: 0,
       (slip("1", lambda: 1),)),
    Op("pause:two", "at least 2 minutes after the one before it ends", "2", lambda: 2, (slip("3", lambda: 3),)),
    Op("pause:six", "at least 6 minutes after the one before it ends", "6", lambda: 6, (slip("5", lambda: 5),)),
)  # fmt: skip
TASTES = (
    Op("choice:any", "all shows", "True", lambda s, e, p: True),
    Op("choice:early", "only shows that end at minute 30 or before", "e <= 30", lambda s, e, p: e <= 30,
       (slip("e < 30", lambda s, e, p: e < 30),)),
    Op("choice:long", "only shows of 5 minutes or more", "e - s >= 5", lambda s, e, p: e - s >= 5,
       (slip("e - s > 5", lambda s, e, p: e - s > 5),)),
    Op("choice:liked", "only shows with 4 points or more", "p >= 4", lambda s, e, p: p >= 4,
       (slip("p > 4", lambda s, e, p: p > 4),)),
)  # fmt: skip


def _shows(rng: Random, small: bool) -> str:
    n = rng.randint(4, 5) if small else rng.randint(4, 8)
    rows = [f"{(s := rng.randint(0, 28))} {s + rng.randint(2, 12)} {rng.randint(1, 9)}" for _ in range(n)]
    return "\n".join([str(n), *rows])


def _solve_festival(text: str, gain: Op, pause: Op, taste: Op) -> str:
    shows: list[Show] = [tuple(map(int, line.split())) for line in text.split("\n")[1:]]  # type: ignore[misc]
    chosen = sorted(show for show in shows if taste.run(*show))
    plans = (list(plan) for size in range(len(chosen) + 1) for plan in combinations(chosen, size))
    return str(max(gain.run(plan) for plan in plans if all(
        plan[i][0] >= plan[i - 1][1] + pause.run() for i in range(1, len(plan))
    )))  # fmt: skip


def _festival_program(gain: Op, pause: Op, taste: Op) -> str:
    adds, earlier = gain.code.split("\n")
    return (
        "n = int(input())\nshows = [tuple(map(int, input().split())) for i in range(n)]\n"
        f"shows = sorted([(s, e, p) for s, e, p in shows if {taste.code}], key=lambda show: show[1])\nbest = []\n"
        f"for s, e, p in shows:\n    before = [j for j in range(len(best)) if shows[j][1] + {pause.code} <= s]\n"
        f"    best.append({adds} + max(({earlier} for j in before), default=0))\nprint(max(best, default=0))"
    )


FESTIVAL = Family(
    name="festival",
    level=5,
    axes=(GAINS, PAUSES, TASTES),
    templates=(
        "A festival has n shows: the first line is n, and n lines with start minute, end minute and points of a show "
        "follow. A visitor sees {2}, whole ones, one after the other: the next show starts {1}. Print {0} (0 if none).",
        "Read n, then n lines with the start, the end and the points of a show. One can see {2}, none of them in part; "
        "each but the first has to start {1}. Output {0} (0 if there is none).",
    ),
    program=_festival_program,
    solve=_solve_festival,
    draw=_shows,
    edges=(
        "1\n0 3 5", "2\n0 5 3\n5 10 4", "3\n0 9 4\n1 3 4\n3 9 3", "4\n0 5 9\n7 12 9\n14 19 9\n21 26 9",
        "4\n0 5 1\n11 16 1\n22 27 1\n33 38 9", "5\n0 30 9\n0 10 4\n10 20 4\n20 30 4\n31 33 1", "2\n3 8 2\n6 11 3",
        "6\n1 6 5\n8 13 1\n15 20 5\n22 27 1\n24 29 6\n24 30 7", "3\n20 31 4\n25 30 4\n26 30 3",
    ),
)  # fmt: skip

Step = Callable[[int | None, int, int], list[tuple[int, int]]]
"""(state or None at the start, next town, length) -> states after the road and the lengths that count."""


def _twist(name: str, phrase: str, code: str, step: Step, *slips: Op) -> Op:
    """`code`: the first state, and states with lengths after a road of length d to y in state k; below 0 is unfit."""
    return Op(f"twist:{name}", phrase, code, step, slips)


TWISTS = (
    _twist("ticket", "on each way, the length of one road, which can be chosen, counts as 0",
           "0\n[(k, d), (1, 0)] if k == 0 else [(1, d)]",
           lambda k, y, d: [(0, 0)] if k is None else [(k, d), (1, 0)] if k == 0 else [(1, d)],
           slip("0\n[(0, d), (0, 0)]", lambda k, y, d: [(0, d * (k is not None)), (0, 0)])),
    _twist("three", "a way has 3 roads at most", "0\n[(k + 1, d)] if k < 3 else []",
           lambda k, y, d: [(0, 0)] if k is None else [(k + 1, d)] * (k < 3),
           slip("0\n[(k + 1, d)] if k < 4 else []", lambda k, y, d: [(0, 0)] if k is None else [(k + 1, d)] * (k < 4))),
    _twist("tired", "the second, the fourth, the sixth road of a way and so on count with twice their length",
           "0\n[(1 - k, d + k * d)]", lambda k, y, d: [(0, 0)] if k is None else [((k + 1) % 2, (d, 2 * d)[k])],
           slip("1\n[(1 - k, d + k * d)]",
                lambda k, y, d: [(1, 0)] if k is None else [((k + 1) % 2, (d, 2 * d)[k])])),
    _twist("by-way", "a way must come through town 1 (it can start or end there)",
           "0 if s == 1 else -1\n[(0 if y == 1 else k, d)]",
           lambda k, y, d: [(0, d)] if y == 1 or k == 0 else [(-1, d)]),
)  # fmt: skip


def _trips(rng: Random, small: bool) -> str:
    n, m = (rng.randint(4, 5), rng.randint(5, 6)) if small else (rng.randint(4, 8), rng.randint(5, 12))
    lines = [f"{a} {b} {rng.randint(1, 9)}" for a, b in (rng.sample(range(1, n + 1), 2) for _ in range(m))]
    s, t = rng.sample(range(1, n + 1), 2)
    return "\n".join([f"{n} {m} {s} {t}", *lines])


def _solve_trips(text: str, twist: Op, costs: Op, towns: Op) -> str:
    (n, _, s, t), *lines = [[int(word) for word in line.split()] for line in text.split("\n")]
    cost: dict[tuple[int, int], int] = {(s, k): 0 for k, _ in twist.run(None, s, 0)}
    while True:  # Bellman and Ford, over towns with their states
        better = dict(cost)
        for (x, k), c in cost.items():
            for y, d in [(b if x == a else a, d) for a, b, d in lines if x in (a, b)]:
                for state, counted in twist.run(k, y, d):
                    better[y, state] = min(better.get((y, state), 10**9), costs.run(c, counted))
        if better == cost:
            break
        cost = better
    found = {x: min(c for (y, k), c in cost.items() if y == x and k >= 0) for x, k in cost if k >= 0}
    return str(towns.run(found, n, t))


def _trip_program(twist: Op, costs: Op, towns: Op) -> str:
    first, after = twist.code.split("\n")
    return (
        "from heapq import heappop, heappush\nn, m, s, t = map(int, input().split())\n"
        "roads = {i: [] for i in range(1, n + 1)}\nfor i in range(m):\n    a, b, d = map(int, input().split())\n"
        "    roads[a].append((b, d))\n    roads[b].append((a, d))\nseen = set()\ncost = {}\n"
        f"heap = [(0, s, {first})]\nwhile heap:\n    c, x, k = heappop(heap)\n    if (x, k) in seen:\n"
        "        continue\n    seen.add((x, k))\n    if k >= 0:\n        cost.setdefault(x, c)\n"
        f"    for y, d in roads[x]:\n        for state, d in {after}:\n"
        f"            heappush(heap, ({costs.code}, y, state))\nprint({towns.code})"
    )


def _sensible(twist: Op, costs: Op, towns: Op) -> bool:
    """A way by town 1 to s itself is hard to word, and so is the even length of a road that counts twice."""
    if twist.name == "twist:by-way":
        return towns.name not in ("target:dearest", "target:within")
    return (twist.name, costs.name) != ("twist:tired", "cost:even")


TRIPS = Family(
    name="caravan",
    level=5,
    axes=(TWISTS, COSTS, TOWNS),
    templates=(
        "A caravan travels between the towns 1 to n. The first line holds n, m, s and t; m lines a b d follow, each a "
        "road of length d between a and b, for both directions. The cost of a way is {1}, and {0}. Print {2}.",
        "Read n, m, s, t and then m roads a b d: one can go from a to b and from b to a, and d is the length. The "
        "towns are 1 to n. A way costs {1}; {0}. Output {2}.",
    ),
    program=_trip_program,
    solve=_solve_trips,
    draw=_trips,
    edges=(
        "2 0 1 2", "2 1 1 2\n1 2 7", "3 3 2 3\n1 2 9\n1 3 9\n2 3 2", "5 4 1 5\n1 2 3\n2 3 5\n3 4 3\n4 5 7",
        "4 4 2 4\n2 1 4\n1 3 6\n3 4 1\n2 4 5", "4 2 3 4\n1 2 5\n3 4 2",
        "6 6 6 2\n6 5 8\n5 4 1\n4 3 1\n3 2 8\n6 2 9\n1 4 2",
        "4 4 4 1\n4 3 2\n3 2 2\n2 1 2\n4 1 9",
    ),
    keep=_sensible,
)  # fmt: skip

FAMILIES = (CLINIC, FESTIVAL, TRIPS)
