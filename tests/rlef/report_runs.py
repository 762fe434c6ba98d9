"""Run folders for the tests of the report: a plain one, and one in which every text is hostile."""

import json
import random

from rlef.episode import Episode, Turn
from rlef.verifiers.pool import Candidate
from rlef.verifiers.result import measure

HOSTILE = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"></pre></details>"
    "<!--{{ 7 * 7 }} \x1b[31mred\x1b[0m \x00\x9b \u202egnp.exe \ud800 \x07 \r &lt; ünïcode"
)


def block(mean):
    return {"mean": mean, "low": mean - 0.03, "high": mean + 0.03}


RESULT = {
    "suite": "starter",
    "split": "test",
    "warm_start": {
        "solved_first": block(0.25), "solved_1@3": block(0.3), "repair_rate": block(0.05),
        "repair_rate_by_turn": {"2": block(0.05)}, "sandbox_failures": 1, "tasks": 100, "rollouts_per_task": 4,
    },
    "trained": {
        "solved_first": block(0.4), "solved_1@3": block(0.5), "repair_rate": block(0.2),
        "repair_rate_by_turn": {"2": block(0.2)}, "sandbox_failures": 0, "tasks": 100, "rollouts_per_task": 4,
    },
    "difference_1@3": {**block(0.2), "p_value": 0.0004},
    "ratio_1@3": block(1.67),
    "by_kind": {
        "sums": {"tasks": 40, "warm_start": block(0.5), "trained": block(0.25), "difference": block(-0.25)},
        "words": {"tasks": 60, "warm_start": block(0.2), "trained": block(0.7), "difference": block(0.5)},
    },
    "minutes": {"training": 18.25},
    "versions": {"torch": "2.13.0"},
}  # fmt: skip
PUBLIC = {"+": "accepted", "p": "accepted", "-": "wrong_answer", "!": "runtime_error"}


def episode(task="add", marks="-+", text="print(1)", **more):
    """A mark for each turn: + solves it, - is a wrong answer, ! crashes, p passes the public tests only."""
    turns = tuple(
        Turn(
            observation=f"say {text}" if not place else f"wrong: {text}",
            response=f"```python\n{text}\n```",
            program=text + "\n# again" * place,
            public=(PUBLIC[mark],),
            private={"+": ("accepted",), "p": ("wrong_answer",)}.get(mark),
            reward=1.0 if mark == "+" else 0.0,
        )
        for place, mark in enumerate(marks)
    )
    return Episode(task, 0, turns, **more)


def metric_rows(steps=30):
    for step in range(steps):
        yield {"step": step, "rollout/reward": step / 30 - 1, "rollout/solved_first": 0.3, "losses/approx_kl": 0.01}
    yield {"step": steps, "rollout/reward": float("nan"), "eval/solved_final": 0.5, "something/new": "text"}


def write(path, episodes):
    path.write_text("".join(one.to_json() + "\n" for one in episodes))


def make_run(folder):
    (folder / "evaluation").mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(RESULT))
    (folder / "config.toml").write_text('model = "embedded"\n')
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metric_rows()))
    marks = ["---", "!-+", "+", "p"]
    write(folder / "episodes.jsonl", [episode(f"task-{i % 7}", marks[i % 4], step=i // 2) for i in range(60)])
    write(folder / "evaluation" / "warm_start.jsonl", [episode(f"held-{i}", marks[i % 2]) for i in range(12)])
    write(folder / "evaluation" / "trained.jsonl", [episode(f"held-{i}", marks[i % 3]) for i in range(12)])
    return folder


def make_vstar_run(folder, words="wrong_answer"):
    """As `rlef vstar` leaves it: the verifier knows what is right, all other selectors do not."""
    rng = random.Random(0)
    answers = {f"t{task}": [candidate(f"t{task}", rng.randrange(4), words) for _ in range(16)] for task in range(20)}
    knows = {task: [float(one.passed) for one in group] for task, group in answers.items()}
    other = {task: [rng.random() for _ in group] for task, group in answers.items()}
    said = {task: [rng.randrange(3) for _ in group] for task, group in answers.items()}
    (folder / "evaluation").mkdir(parents=True)
    (folder / "config.toml").write_text('model = "embedded"\n')
    found = measure(answers, {"verifier": knows, "shortest": other}, said, 16, 20, 0)
    (folder / "result.json").write_text(json.dumps({"suite": "starter", "split": "test", **found}))
    write(folder / "evaluation" / "candidates.jsonl", [episode(f"t{i % 20}", "+-!"[i % 3]) for i in range(40)])
    return folder


def candidate(task, kind, words):
    passed, public = kind == 0, kind <= 1
    return Candidate(task, "", "x" * (kind + 1), passed, public, "" if passed else words)


def hostile_run(folder):
    write(folder / "episodes.jsonl", [episode(HOSTILE, "-+", HOSTILE, suite=HOSTILE)] * 3)
    (folder / "config.toml").write_bytes(b"model = '<script>\xff\x1b[2J'\n")
    result = {**RESULT, "suite": HOSTILE, "versions": {HOSTILE: HOSTILE}, "minutes": "<script>"}
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "rollout/reward": HOSTILE}) + "\n")
    return folder
