"""Several answers at each turn, of which one goes on: what is chosen, what it costs, and that nothing else changes."""

import dataclasses
import json
import time

import pytest

from rlef.config import EvaluationConfig, FeedbackConfig
from rlef.envs.dialogue import DialogueSettings
from rlef.envs.feedback import task_text
from rlef.episode import read_episodes
from rlef.errors import RlefError
from rlef.evaluation import command, evaluate
from rlef.evaluation.compare import compare_runs, load_side
from rlef.evaluation.config import EvalConfig, check_eval
from rlef.evaluation.evaluate import task_of
from rlef.evaluation.job import Job
from rlef.evaluation.measures import parse_measures
from rlef.evaluation.players import Player
from rlef.evaluation.search import Answers, BestOfEngine, BestOfSpeaker, Choice
from rlef.evaluation.selection import Verifier
from rlef.policies.engine import TransformersEngine
from rlef.policies.interface import Sampling
from rlef.policies.load import load_policy
from rlef.rollout import Start, collect
from rlef.text_rollout import converse
from tasks import StdioTest, Suite, Task, load_suite
from tests.rlef.test_select import verifier  # noqa: F401

ADD = Task("add", "Add two numbers.", (StdioTest("1 2\n", "3\n"),), (StdioTest("4 5\n", "9\n"),))
SETTINGS = DialogueSettings(2)
SAMPLING = Sampling(1.0, 1.0, 8)
SOURCES = ["print(3)", "1 / 0", "print(sum(map(int, input().split())))"]
PROSE, *WRITTEN = ["No.", *(f"```python\n{source}\n```" for source in SOURCES)]
LUCKY, WRONG, RIGHT = WRITTEN


def longest(items):
    return [float(len(program)) for _, program in items]


@pytest.mark.parametrize(
    ("public", "score", "said", "chosen"),
    [
        (False, longest, [WRONG, LUCKY, RIGHT], RIGHT),
        (False, longest, [PROSE, WRONG], WRONG),  # an answer without a program comes last
        (False, longest, [PROSE, PROSE], PROSE),
        (False, lambda items: [-len(program) for _, program in items], [RIGHT, LUCKY, WRONG], WRONG),
        (True, lambda items: [-len(program) for _, program in items], [WRONG, RIGHT, LUCKY], LUCKY),
        (True, longest, [WRONG, LUCKY, RIGHT], RIGHT),
        (True, None, [WRONG, RIGHT, LUCKY], RIGHT),  # the first of equals
    ],
)
def test_what_is_chosen(box, public, score, said, chosen):
    other = Answers(ADD, [PROSE, LUCKY])
    places = Choice(box, SETTINGS, public, score).best([Answers(ADD, said), other])
    assert [said[places[0]], other.said[places[1]]] == [chosen, LUCKY]


def test_the_verifier_is_shown_the_task_as_the_policy_saw_it(box):
    asked = []
    score = lambda items: (asked.extend(items), longest(items))[1]  # noqa: E731
    Choice(box, SETTINGS, False, score).best([Answers(ADD, [LUCKY, PROSE])])
    assert asked == [(task_text(ADD, FeedbackConfig()), "print(3)\n")]


class Guesses:
    """A `Speaker` that is right with one chance in five, by its seed."""

    def __init__(self):
        self.asked = []

    def reply(self, task, messages, seed, sampling):
        self.asked.append(seed)
        return RIGHT if hash(seed) % 5 == 0 else WRONG


def test_a_verifier_that_knows_finds_a_right_answer_where_there_is_one(box):
    plain, guesses = Guesses(), Guesses()
    starts = [Start(ADD, seed) for seed in range(12)]
    knows = Choice(box, DialogueSettings(1), False, lambda items: [float("sum" in program) for _, program in items])
    found = converse(starts, BestOfSpeaker(guesses, [ADD], knows, 4), box, sampling=SAMPLING,
                     settings=DialogueSettings(1))  # fmt: skip
    alone = converse(starts, plain, box, sampling=SAMPLING, settings=DialogueSettings(1))
    tried = {start.seed: [seed for seed in guesses.asked if seed[0] == start.seed] for start in starts}
    assert {len(set(seeds)) for seeds in tried.values()} == {4}
    assert [one.passed for one in found] == [any(hash(seed) % 5 == 0 for seed in tried[one.seed]) for one in found]
    assert sum(one.passed for one in found) > sum(one.passed for one in alone)
    assert set(plain.asked) < set(guesses.asked)  # the first sample is the one without search


def test_samples_are_the_engines_own(tiny_model, box):
    """With a real engine over two turns: the chosen samples are those a fresh engine gives for their prompts."""
    policy = load_policy(str(tiny_model), "")
    tasks = load_suite("starter")["validation"][:2]
    starts = [Start(task, place << 20, tasks) for place, task in enumerate(tasks)]
    assert [task_of(start.seed, tasks) for start in starts] == list(tasks)

    class Last(Choice):
        def best(self, groups):
            return [len(group.said) - 1 for group in groups]

    def fresh():
        return TransformersEngine(policy.model, policy.chat.stop_ids)

    def play(engine):
        found = collect(starts, engine, policy.chat, box, sampling=SAMPLING, settings=SETTINGS, context=1024)
        return [(turn.prompt_ids, turn.response_ids) for one in found for turn in one.turns]

    asked, engine = [], fresh()
    run = engine.run

    def noted(requests):
        asked.extend(requests)
        return requests

    engine.run = lambda requests, sampling, follow: run(
        noted(requests), sampling, lambda ended: noted(follow(ended))
    )  # fmt: skip
    chosen = play(BestOfEngine(engine, policy.chat, tasks, Last(box, SETTINGS, False), 3))
    assert len(asked) == 2 * 2 * 3
    last = sorted((request.seed[:2], request) for request in asked if request.key[-1] == 2)
    again = [fresh().generate([request], SAMPLING)[0].ids for _, request in last]
    assert [response for _, response in chosen] == again
    first = Choice(box, SETTINGS, False)  # a random model writes no program: all are equal
    assert play(BestOfEngine(fresh(), policy.chat, tasks, first, 3)) == play(fresh())


def test_every_answer_counts_as_a_sample():
    [measure] = parse_measures("1@24", 3 * 4)
    assert measure.rollouts == 2
    with pytest.raises(RlefError, match="3 samples are less than one rollout of 12 answers"):
        parse_measures("1@3", 3 * 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"best_of": 0}, "best_of = 0: must be at least 1"),
        ({"best_of": 2, "select": "likelihood"}, "cannot say what is repaired next"),
        ({"best_of": 2, "evaluation": EvaluationConfig(temperature=0.0)}, "raise evaluation.temperature"),
    ],
)
def test_values_that_cannot_be_meant(change, message):
    with pytest.raises(RlefError, match=message):
        check_eval(dataclasses.replace(EvalConfig(), **change))


@pytest.mark.parametrize("verifier", ["dpo"], indirect=True)
def test_the_ledger_knows_who_chose(verifier):  # noqa: F811
    def ledger(select, best_of=2):
        chooser = Verifier(verifier) if "verifier" in select else None
        who, config = Player([ADD], "m", None), EvalConfig(select=select, best_of=best_of)
        return Job("m", config, Suite("s", {}), who, [], {}, chooser, None, None).ledger(config)

    names = ["public", f"verifier:{verifier}", f"public+verifier:{verifier}"]
    assert len({ledger(name) for name in names}) == 3
    assert len({ledger(name, 1) for name in names}) == 1


@pytest.mark.parametrize("verifier", ["dpo"], indirect=True)
def test_an_evaluation_with_search(verifier, tiny_model, tmp_path, box, monkeypatch):  # noqa: F811
    config = EvalConfig(
        out=str(tmp_path), turn_limit=2, best_of=2, max_new_tokens=4, metrics="1@4", single_turn=True,
        select=f"public+verifier:{verifier}",
        evaluation=EvaluationConfig(split="validation", tasks=2, samples=1, temperature=1.0),
    )  # fmt: skip
    folder = command.run_evaluation(str(tiny_model), config)
    result = json.loads((folder / "result.json").read_text())
    assert result["best_of"] == 2
    assert "solved_1@4" in result
    assert result["single_turn"]["rollouts_per_task"] == 4  # two turns of two answers
    assert len(list(read_episodes(folder / "single_turn.jsonl"))) == 8
    assert len(list((tmp_path / "cache").glob("*.jsonl"))) == 3  # with search, without, scores
    side = load_side(folder)
    assert compare_runs(side, side, "1@4")[0].comparison.tasks == 2  # one rollout, not two
    monkeypatch.setattr(evaluate, "collect", None)  # nothing is played twice
    time.sleep(1.1)  # the folder's name is the second
    command.run_evaluation(str(tiny_model), dataclasses.replace(config, metrics="first"))
