"""Level-3 families that follow something step by step: a robot that takes commands, a bank that keeps accounts."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tasks.starter.family import Family, Op, slip

Cell = tuple[int, int]
Path = list[Cell]
Move = Callable[[str], list[Cell]]

COMPASS = {"N": (0, 1), "S": (0, -1), "E": (1, 0), "W": (-1, 0)}


def _steps(text: str) -> list[Cell]:
    return [COMPASS[c] for c in text]


def _turning(left: str, right: str) -> Move:
    def moves(text: str) -> list[Cell]:
        found: list[Cell] = []
        facing = 0
        for c in text.translate(str.maketrans("NSEW", "FRLF")):
            facing += (c == right) - (c == left)
            found += [((0, 1), (1, 0), (0, -1), (-1, 0))[facing % 4]] * (c == "F")
        return found

    return moves


def _turning_code(left: str, right: str) -> str:
    return (
        'dx, dy = 0, 1\nfor c in input().translate(str.maketrans("NSEW", "FRLF")):\n'
        f'    if c == "{left}":\n        dx, dy = -dy, dx\n    elif c == "{right}":\n        dx, dy = dy, -dx\n'
        "    else:\n"
    )


def _table_code(table: str) -> str:
    return f"for c in input():\n    for dx, dy in {table}[c]:\n"


COMMANDS = (
    Op("commands:steps", "N, S, E and W each make one step (N adds 1 to y, E adds 1 to x)",
       _table_code('{"N": [(0, 1)], "S": [(0, -1)], "E": [(1, 0)], "W": [(-1, 0)]}'), _steps,
       (slip(_table_code('{"N": [(0, -1)], "S": [(0, 1)], "E": [(1, 0)], "W": [(-1, 0)]}'),
             lambda text: [(dx, -dy) for dx, dy in _steps(text)]),)),
    Op("commands:slanted", "N, S, E and W each make one step (N adds 1 to y; E adds 1 to x and 1 to y)",
       _table_code('{"N": [(0, 1)], "S": [(0, -1)], "E": [(1, 1)], "W": [(-1, 0)]}'),
       lambda text: [(dx, dy + (dx > 0)) for dx, dy in _steps(text)]),
    Op("commands:long-north", "N makes two steps, S, E and W one (N adds 1 to y, E adds 1 to x)",
       _table_code('{"N": [(0, 1), (0, 1)], "S": [(0, -1)], "E": [(1, 0)], "W": [(-1, 0)]}'),
       lambda text: _steps(text.replace("N", "NN"))),
    Op("commands:turning", "it faces north at first; N and W make a step forward, S turns it right, E turns it left "
       "(north adds 1 to y, east adds 1 to x)", _turning_code("L", "R"), _turning("L", "R"),
       (slip(_turning_code("R", "L"), _turning("R", "L")),)),
)  # fmt: skip


def _walk(enter: Callable[[Cell, Cell], Cell]) -> Callable[[list[Cell]], Path]:
    def walk(moves: list[Cell]) -> Path:
        path = [(0, 0)]
        for dx, dy in moves:
            path.append(enter(path[-1], (path[-1][0] + dx, path[-1][1] + dy)))
        return path

    return walk


def _inside(size: int) -> Callable[[Cell, Cell], Cell]:
    return lambda old, new: new if max(map(abs, new)) <= size else old


def _inside_code(size: int) -> str:
    return f"if abs(x + dx) <= {size} and abs(y + dy) <= {size}:\n    x, y = x + dx, y + dy"


WORLDS = (
    Op("world:open", "on an endless grid", "x, y = x + dx, y + dy", _walk(lambda old, new: new)),
    Op("world:walls", "on a grid where x and y stay from -3 to 3 (a step that would leave it is not made)",
       _inside_code(3), _walk(_inside(3)), (slip(_inside_code(2), _walk(_inside(2))),)),
    Op("world:round", "on a grid of 5 by 5 cells, x and y from 0 to 4, where a step over an edge comes in at the "
       "opposite side", "x, y = (x + dx) % 5, (y + dy) % 5", _walk(lambda old, new: (new[0] % 5, new[1] % 5)),
       (slip("x, y = (x + dx) % 4, (y + dy) % 4", _walk(lambda old, new: (new[0] % 4, new[1] % 4))),)),
)  # fmt: skip
REPORTS = (
    Op("report:place", "x and y of the place where it ends", "x, y", lambda p: f"{p[-1][0]} {p[-1][1]}"),
    Op("report:distance", "the number of steps along the axes from its end back to the start, |x| + |y|",
       "abs(x) + abs(y)", lambda p: str(sum(map(abs, p[-1]))),
       (slip("max(abs(x), abs(y))", lambda p: str(max(map(abs, p[-1])))),)),
    Op("report:cells", "the number of different cells it was on, the start included", "len(set(p))",
       lambda p: str(len(set(p))), (slip("len(set(p[1:]))", lambda p: str(len(set(p[1:])))),)),
    Op("report:highest", "the largest y it reached (the start counts)", "max(y for x, y in p)",
       lambda p: str(max(y for _, y in p))),
    Op("report:returns", "how often it came to the start again, or stayed there when a step was not made",
       "p[1:].count((0, 0))", lambda p: str(sum(place == (0, 0) for place in p[1:])),
       (slip("p.count((0, 0))", lambda p: str(p.count((0, 0)))),)),
    Op("report:width", "the largest minus the smallest x it was at", "max(x for x, y in p) - min(x for x, y in p)",
       lambda p: str(max(x for x, _ in p) - min(x for x, _ in p))),
)  # fmt: skip


def _robot_program(commands: Op, world: Op, report: Op) -> str:
    step = "\n".join(" " * 8 + line for line in [*world.code.split("\n"), "p.append((x, y))"])
    return f"x = y = 0\np = [(0, 0)]\n{commands.code}{step}\nprint({report.code})"


ROBOT = Family(
    name="robot",
    level=3,
    axes=(COMMANDS, WORLDS, REPORTS),
    templates=(
        "A robot starts at x = 0, y = 0 {1}. The input line holds its commands: {0}. Print {2}.",
        "Read a line of commands for a robot {1}, at x = 0 and y = 0: {0}. Output {2}.",
    ),
    program=_robot_program,
    solve=lambda text, commands, world, report: report.run(world.run(commands.run(text))),
    draw=lambda rng, small: "".join(
        rng.choice(rng.choice(("NSEW", "NNE", "WSNN")))
        for _ in range(rng.randint(4, 8) if small else rng.randint(6, 30))
    ),
    keep=lambda commands, world, report: (
        report.name != "report:width" or commands.name in ("commands:steps", "commands:turning")
    ),
    edges=("N", "E", "S", "EEEEWWWSSS", "EEEEEWWWWWWW", "NESW", "NENENESSWW", "SSSSNEEEESNNWWNN", "WNSEWNSE"),
)

ACCOUNTS, AMOUNTS = ("ann", "bob", "cid", "dan"), (5, 10, 20, 25, 4, 6, 12)
Book = tuple[dict[str, int], int]


def _bank(may: Callable[[int, int], bool], fee: int, start: int) -> Callable[[list[list[str]]], Book]:
    def keep(lines: list[list[str]]) -> Book:
        balances: dict[str, int] = {}
        refused = 0
        for kind, name, amount in lines:
            have, x = balances.get(name, start), int(amount)
            if kind == "in":
                balances[name] = have + x
            elif may(have, x + fee):
                balances[name] = have - x - fee
            else:
                balances[name] = have
                refused += 1
        return balances, refused

    return keep


def _policy(name: str, phrase: str, code: str, may: Callable[[int, int], bool], fee: int, *slips: Op) -> Op:
    return Op(f"policy:{name}", phrase, code, lambda start: _bank(may, fee, start), slips)


def _wrong(code: str, may: Callable[[int, int], bool], fee: int) -> Op:
    return slip(code, lambda start: _bank(may, fee, start))


POLICIES = (
    _policy("covered", "a withdrawal is refused when the account holds less than x", "b[name] >= x",
            lambda have, x: have >= x, 0,
            _wrong("b[name] > x", lambda have, x: have > x, 0)),
    _policy("credit", "a withdrawal is refused when it would take the account below -10", "b[name] - x >= -10",
            lambda have, x: have - x >= -10, 0, _wrong("b[name] - x > -10", lambda have, x: have - x > -10, 0)),
    _policy("fee", "each withdrawal costs 1 more, taken from the account too; it is refused, and costs nothing, "
            "when the account holds less than x + 1", "b[name] >= (x := x + 1)", lambda have, x: have >= x, 1,
            _wrong("b[name] >= x and (x := x + 1)", lambda have, x: have >= x - 1, 1)),
    _policy("limit", "a withdrawal is refused when x is above 20 or the account holds less than x",
            "x <= 20 and b[name] >= x", lambda have, x: x <= 20 and have >= x, 0,
            _wrong("x < 20 and b[name] >= x", lambda have, x: x < 20 and have >= x, 0)),
)  # fmt: skip
STARTS = tuple(
    Op(f"start:{n}", f"Every account starts with {n}" if n else "Every account starts empty", str(n), lambda n=n: n)
    for n in (0, 5, 20)
)
STATEMENTS = (
    Op("books:all", "every account named in the input and its balance, one a line, by name", '"\\n".join(f"{k} {b[k]}" '
       "for k in sorted(b))", lambda b, r: "\n".join(f"{name} {b[name]}" for name in sorted(b)), (
           slip('"\\n".join(f"{k} {b[k]}" for k in b)', lambda b, r: "\n".join(f"{k} {v}" for k, v in b.items())),
       )),
    Op("books:total", "the sum of all balances", "sum(b.values())", lambda b, r: str(sum(b.values()))),
    Op("books:refused", "how many withdrawals were refused", "refused", lambda b, r: str(r)),
    Op("books:richest", "the name with the largest balance (the first by name, if several)",
       "min(b, key=lambda k: (-b[k], k))", lambda b, r: min(n for n in b if b[n] == max(b.values())),
       (slip("max(b, key=b.get)", lambda b, r: max(b, key=lambda n: b[n])),)),
    Op("books:spread", "the largest minus the smallest balance", "max(b.values()) - min(b.values())",
       lambda b, r: str(max(b.values()) - min(b.values()))),
)  # fmt: skip


def _days(rng: Random, small: bool) -> str:
    count = rng.randint(3, 5) if small else rng.randint(4, 14)
    lines = [
        f"{rng.choice(('in', 'out', 'out'))} {rng.choice(ACCOUNTS[: 2 if small else 4])} {rng.choice(AMOUNTS)}"
        for _ in range(count)
    ]
    return "\n".join([str(count), *lines])


BANK = Family(
    name="bank",
    level=3,
    axes=(POLICIES, STARTS, STATEMENTS),
    templates=(
        'The first line is n; n lines "in NAME x" or "out NAME x" follow. {1}; "in" adds x to the account, "out" '
        "(a withdrawal) takes x from it; {0}. Print {2}.",
        'Read n, then n bookings "in NAME x" (a deposit) or "out NAME x" (a withdrawal). {1}; {0}. Output {2}.',
    ),
    program=lambda policy, start, books: (
        "b = {}\nrefused = 0\nfor i in range(int(input())):\n    kind, name, x = input().split()\n    x = int(x)\n"
        f'    b.setdefault(name, {start.code})\n    if kind == "in":\n        b[name] += x\n'
        f"    elif {policy.code}:\n        b[name] -= x\n    else:\n        refused += 1\nprint({books.code})"
    ),
    solve=lambda text, policy, start, books: books.run(
        *policy.run(start.run())([line.split() for line in text.split("\n")[1:]])
    ),
    draw=_days,
    edges=(
        "1\nout ann 5",
        "4\nin ann 30\nin bob 10\nout ann 25\nin cid 2",
        "1\nin bob 7",
        "2\nin dan 21\nout dan 21",
        "3\nin cid 20\nout cid 20\nout cid 1",
        "4\nout bob 10\nout ann 20\nin bob 3\nin ann 3",
        "5\nin bob 30\nin ann 30\nout bob 15\nout bob 15\nout bob 4",
        "6\nin ann 9\nout ann 9\nin bob 9\nout bob 8\nin ann 1\nout ann 11",
    ),
)

FAMILIES = (ROBOT, BANK)
