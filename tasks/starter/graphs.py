"""Level-4 families over graphs: the shortest way on a grid, roads between towns, groups that are joined."""

from __future__ import annotations

from collections import Counter
from random import Random

from tasks.starter.family import Family, Op, slip

Cell = tuple[int, int]
Layers = list[dict[Cell, int]]
"""Cells by their distance from the start, each with the number of shortest ways to it."""


def _moves(name: str, phrase: str, moves: list[Cell], *slips: Op) -> Op:
    return Op(f"moves:{name}", phrase, repr(moves), lambda: moves, slips)


STRAIGHT = [(0, 1), (0, -1), (1, 0), (-1, 0)]
DIAGONAL = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
MOVES = (
    _moves("straight", "up, down, left or right to a neighbouring cell", STRAIGHT),
    _moves("king", "to any of the 8 neighbouring cells, diagonal ones included", STRAIGHT + DIAGONAL,
           slip(repr(DIAGONAL), lambda: DIAGONAL)),
    _moves("knight", "like a knight in chess (two cells in one direction, one cell across)",
           [(a * s, b * t) for a, b in ((1, 2), (2, 1)) for s in (1, -1) for t in (1, -1)]),
    _moves("no-return", "down, left or right to a neighbouring cell, never up", STRAIGHT[:3]),
)  # fmt: skip
EDGES = (
    Op("edges:closed", "which cannot be left", "(x + dx, y + dy)", lambda x, y, n, w: (x, y)),
    Op("edges:ring", "whose left and right edges are joined (a step over one comes in at the other)",
       "(x + dx, (y + dy) % w)", lambda x, y, n, w: (x, y % w)),
    Op("edges:torus", "whose opposite edges are joined, left with right and top with bottom (a step over one comes in "
       "at the other)", "((x + dx) % n, (y + dy) % w)", lambda x, y, n, w: (x % n, y % w)),
)  # fmt: skip
SOUGHT = (
    Op("sought:steps", "the smallest number of steps from S to E (-1 if there is no way)", "dist.get(goal, -1)",
       lambda layers, free, goal: next((d for d, layer in enumerate(layers) if goal in layer), -1),
       (slip("dist.get(goal, 0)",
             lambda layers, free, goal: next((d for d, s in enumerate(layers) if goal in s), 0)),)),
    Op("sought:reached", "how many cells can be reached from S, S included", "len(dist)",
       lambda layers, free, goal: sum(map(len, layers)),
       (slip("len(dist) - 1", lambda layers, free, goal: sum(map(len, layers)) - 1),)),
    Op("sought:farthest", "how many steps the cell needs that is farthest from S among those that can be reached",
       "max(dist.values())", lambda layers, free, goal: len(layers) - 1),
    Op("sought:at-three", "how many cells need exactly 3 steps from S, and not less",
       "sum(d == 3 for d in dist.values())", lambda layers, free, goal: len(layers[3]) if len(layers) > 3 else 0,
       (slip("sum(d <= 3 for d in dist.values())", lambda layers, free, goal: sum(map(len, layers[:4]))),)),
    Op("sought:ways", "in how many ways E can be reached from S with the smallest number of steps (0 if there is none; "
       "two ways differ if they visit different cells)",
       "ways.get(goal, 0)", lambda layers, free, goal: sum(layer.get(goal, 0) for layer in layers)),
    Op("sought:missed", 'how many cells that are no "#" cannot be reached from S', "len(free) - len(dist)",
       lambda layers, free, goal: len(free) - sum(map(len, layers))),
)  # fmt: skip


def _grid(rng: Random, small: bool) -> str:
    height, width = (rng.randint(3, 4), rng.randint(4, 5)) if small else (rng.randint(2, 8), rng.randint(3, 8))
    wall = rng.choice((0.15, 0.3, 0.4))
    cells = ["#" if rng.random() < wall else "." for _ in range(height * width)]
    start, goal = rng.sample(range(len(cells)), 2)
    cells[start], cells[goal] = "S", "E"
    rows = ["".join(cells[i * width : (i + 1) * width]) for i in range(height)]
    return "\n".join([str(height), *rows])


def _solve_grid(text: str, moves: Op, edges: Op, sought: Op) -> str:
    rows = text.split("\n")[1:]
    cells = {(i, j): c for i, row in enumerate(rows) for j, c in enumerate(row) if c != "#"}
    [start], [goal] = ([cell for cell, c in cells.items() if c == sign] for sign in "SE")
    layers: Layers = [{start: 1}]
    seen = {start}
    while layers[-1]:
        found: Counter[Cell] = Counter()
        for (x, y), ways in layers[-1].items():
            for cell in {edges.run(x + dx, y + dy, len(rows), len(rows[0])) for dx, dy in moves.run()}:
                if cell in cells and cell not in seen:
                    found[cell] += ways
        seen |= set(found)
        layers.append(dict(found))
    return str(sought.run(layers[:-1], cells, goal))


GRID = Family(
    name="grid-paths",
    level=4,
    axes=(MOVES, EDGES, SOUGHT),
    templates=(
        'The first line is n; n rows of a map follow, with walls "#", free cells ".", a start S and an end E. A step '
        "goes {0}, never onto a wall. The map is a grid {1}. Print {2}.",
        'Read n and then the n rows of a map, a grid {1}: "#" is a wall, all else is free, S and E are two of the free '
        "cells. One step leads {0}. Output {2}.",
    ),
    program=lambda moves, edges, sought: (
        "n = int(input())\nrows = [input() for i in range(n)]\nw = len(rows[0])\n"
        'free = {(i, j) for i in range(n) for j in range(w) if rows[i][j] != "#"}\n'
        'start, goal = [[p for p in free if rows[p[0]][p[1]] == c][0] for c in "SE"]\n'
        f"moves = {moves.code}\ndist, ways, queue = {{start: 0}}, {{start: 1}}, [start]\nfor x, y in queue:\n"
        f"    for p in {{{edges.code} for dx, dy in moves}} & free:\n        if p not in dist:\n"
        "            dist[p], ways[p] = dist[x, y] + 1, 0\n            queue.append(p)\n"
        f"        if dist[p] == dist[x, y] + 1:\n            ways[p] += ways[x, y]\nprint({sought.code})"
    ),
    solve=_solve_grid,
    draw=_grid,
    edges=(
        "1\nS.E", "2\nS#.\n#.E", "3\nS..\n...\n..E", "2\nE.#.S\n#..#.", "5\nE....\n####.\n.....\n.####\nS....",
        "4\nS..#\n.#..\n..#.\n#..E", "6\n....\n.##.\nS##E\n.##.\n....\n.#..",
    ),
)  # fmt: skip

ROADS = (
    Op("roads:one-way", "can be used from a to b only", "[(a, b, d)]", lambda a, b, d: [(a, b, d)],
       (slip("[(b, a, d)]", lambda a, b, d: [(b, a, d)]),)),
    Op("roads:two-way", "can be used in both directions", "[(a, b, d), (b, a, d)]",
       lambda a, b, d: [(a, b, d), (b, a, d)], (slip("[(a, b, d)]", lambda a, b, d: [(a, b, d)]),)),
    Op("roads:uphill", "can be used from a to b, and from b to a as well, but then it is 3 longer",
       "[(a, b, d), (b, a, d + 3)]", lambda a, b, d: [(a, b, d), (b, a, d + 3)]),
)  # fmt: skip
COSTS = (
    Op("cost:length", "the sum of the lengths", "c + d", lambda c, d: c + d),
    Op("cost:toll", "the sum of the lengths plus 2 for each road used", "c + d + 2", lambda c, d: c + d + 2),
    Op("cost:longest", "the length of the longest road used (0 without any road)", "max(c, d)", max),
    Op("cost:even", "the sum of the lengths, where roads of even length are free", "c + d * (d % 2)",
       lambda c, d: c + d if d % 2 else c),
)  # fmt: skip
TOWNS = (
    Op("target:to-t", "the smallest cost from s to t (-1 if there is no way)", "cost.get(t, -1)",
       lambda cost, n, t: str(cost.get(t, -1))),
    Op("target:within", "how many towns can be reached from s at a cost of at most 9, s included",
       "sum(c <= 9 for c in cost.values())", lambda cost, n, t: str(len([c for c in cost.values() if c <= 9])),
       (slip("sum(c < 9 for c in cost.values())", lambda cost, n, t: str(len([c for c in cost.values() if c < 9]))),)),
    Op("target:dearest", "the largest of the smallest costs from s to the towns that can be reached",
       "max(cost.values())", lambda cost, n, t: str(max(cost.values()))),
    Op("target:all", "the smallest costs from s to the towns 1 to n on one line (-1 where there is no way)",
       "*(cost.get(i, -1) for i in range(1, n + 1))",
       lambda cost, n, t: " ".join(str(cost.get(i, -1)) for i in range(1, n + 1))),
)  # fmt: skip


def _roads(rng: Random, small: bool) -> str:
    n, m = (rng.randint(4, 5), rng.randint(4, 6)) if small else (rng.randint(4, 9), rng.randint(4, 14))
    lines = [f"{a} {b} {rng.randint(1, 9)}" for a, b in (rng.sample(range(1, n + 1), 2) for _ in range(m))]
    s, t = rng.sample(range(1, n + 1), 2)
    return "\n".join([f"{n} {m} {s} {t}", *lines])


def _solve_roads(text: str, roads: Op, costs: Op, towns: Op) -> str:
    (n, _, s, t), *lines = [[int(word) for word in line.split()] for line in text.split("\n")]
    cost = {s: 0}
    for _ in range(n):  # Bellman and Ford
        for a, b, d in (road for line in lines for road in roads.run(*line)):
            if a in cost:
                cost[b] = min(cost.get(b, 10**9), costs.run(cost[a], d))
    return str(towns.run(cost, n, t))


DIJKSTRA = Family(
    name="roads",
    level=4,
    axes=(ROADS, COSTS, TOWNS),
    templates=(
        "The first line holds n, m, s and t: the towns are 1 to n. m lines a b d follow, each a road between the towns "
        "a and b of length d that {0}. The cost of a way is {1}. Print {2}.",
        "Read n, m, s, t and then m roads a b d between towns numbered from 1 to n, d being the length. A road {0}. A "
        "way costs {1}. Output {2}.",
    ),
    program=lambda roads, costs, towns: (
        "from heapq import heappop, heappush\nn, m, s, t = map(int, input().split())\n"
        "roads = {i: [] for i in range(1, n + 1)}\nfor i in range(m):\n    a, b, d = map(int, input().split())\n"
        f"    for x, y, d in {roads.code}:\n        roads[x].append((y, d))\n"
        "cost = {}\nheap = [(0, s)]\nwhile heap:\n"
        "    c, x = heappop(heap)\n    if x not in cost:\n        cost[x] = c\n        for y, d in roads[x]:\n"
        f"            heappush(heap, ({costs.code}, y))\nprint({towns.code})"
    ),
    solve=_solve_roads,
    draw=_roads,
    edges=(
        "2 0 1 2", "2 1 1 2\n1 2 7", "2 1 1 2\n2 1 4", "3 3 1 3\n1 2 2\n2 3 2\n1 3 5",
        "4 4 1 4\n1 2 1\n2 4 9\n1 3 6\n3 4 6",
        "5 4 2 5\n2 1 3\n1 3 3\n3 4 3\n4 5 3", "4 5 3 1\n3 3 1\n3 2 8\n3 2 2\n2 1 7\n1 4 1",
        "5 5 1 3\n1 2 9\n2 3 1\n3 4 4\n4 1 2\n5 1 1",
    ),
)  # fmt: skip

FAMILIES = (GRID, DIJKSTRA)
