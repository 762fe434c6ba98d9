"""Formats of functions: every peculiarity of the published files, each on a small file of our own."""

import json

import pytest

from sandbox import Program
from tasks import AssertTest, CallTest, TaskError, Verdict, judge, judge_many, load_suite
from tasks.formats import codeio, evalplus, jsonl, leetcode, mbpp, p3, quixbugs


def write(path, *given):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return path


# P3

PUZZLE = {
    "name": "Pair:0", "sat": "def sat(x: List[int], n=3):\n    return len(x) == 2 and sum(x) == n",
    "ans_type": "List[int]",
    "sol_header": "def sol(n=3):", "sol_docstring": '    """Find two numbers of this sum."""',
    "sol_bodies": ["    return [n, 0]", "    return [1, n - 1]"], "module": "pairs.py",
}  # fmt: skip


def test_p3_asks_for_a_value_of_the_type(tmp_path, box):
    [task] = p3.read(write(tmp_path / "puzzles.json", PUZZLE))
    assert task.key == "P3/Pair:0"
    assert task.statement.startswith("Find two numbers of this sum.\n\nWrite a function `sol`")
    assert PUZZLE["sat"] in task.statement
    assert task.metadata["family"] == "pairs.py"
    given = [
        ("def sol(): return [1, 2]", True, True),
        ("def sol(): return [1, 1]", False, False),
        ("def sol(): return (1, 2)", True, False),
        ("def sol(): return [True, 2]", True, False),
        ("def sol(): return [1.0, 2]", True, False),
        ("class L(list):\n    def __len__(self): return 2\ndef sol(): return L([3])", False, False),
        ("def sat(x): return True\ndef sol(): return []", False, False),
    ]
    pairs = [(task, reference) for reference in task.references] + [(task, Program(source)) for source, *_ in given]
    reports = judge_many(pairs, box), judge_many(pairs, box, "private")
    assert [report.public_passed for report in reports[0]] == [True, True] + [public for _, public, _ in given]
    for report, right in zip(reports[1], [True, True] + [private for *_, private in given], strict=True):
        assert [result.verdict is Verdict.ACCEPTED for result in report.private] == [right]
        assert report.trust == "sound"


def test_p3_checkers_may_print_long_numbers(tmp_path, box):
    sat = "def sat(x: int):\n    return len(str(10 ** 5000)) == x"
    row = {**PUZZLE, "sat": sat, "ans_type": "int", "sol_header": "def sol():", "sol_bodies": ["    return 5001"]}
    [task] = p3.read(write(tmp_path / "puzzles.json", row))
    assert judge(task, task.references[0], box).passed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sat": "def sit(x): return True"}, "field sat: defines no function sat"),
        ({"sat": "def sat(x"}, "field sat: not Python"),
        ({"ans_type": "List[int"}, "field ans_type"),
        ({"ans_type": "Callable"}, "field ans_type"),
        ({"sol_header": "def sal():"}, "field sol_header"),
        ({"sol_bodies": [1]}, "sol_bodies[0]"),
    ],
)
def test_p3_rows_that_cannot_be_read(tmp_path, change, reason):
    with pytest.raises(TaskError) as error:
        list(p3.read(write(tmp_path / "puzzles.json", {**PUZZLE, **change})))
    assert reason in str(error.value)
    assert "row 1" in str(error.value)


# LeetCode

PRELUDE = """from typing import *
class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val, self.left, self.right = val, left, right
def tree_node(values):
    nodes = [None if value is None else TreeNode(value) for value in values]
    kids = nodes[:0:-1]
    for node in nodes:
        if node:
            if kids: node.left = kids.pop()
            if kids: node.right = kids.pop()
    return nodes[0] if nodes else None
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next
def list_node(values):
    return ListNode(values[0], list_node(values[1:])) if values else None
"""


def leet(test, completion, **more):
    return {
        "task_id": "t", "prompt": PRELUDE, "completion": completion, "entry_point": "Solution().f", "query": "Do it.",
        "test": f"def check(candidate):\n{test}", "meta": {"difficulty": "Meidum"}, **more,
    }  # fmt: skip


def test_leetcode_keywords_trees_and_lists(tmp_path, box):
    rows = [
        leet("    assert candidate(b = 1, a = [2]) == [2, 1]\n    assert candidate(a = [], b = 3) == [3]\n",
             "class Solution:\n    def f(self, a: List[int], b: int):\n        return a + [b]\n"),
        leet("    assert is_same_tree(candidate(root = tree_node([1,2,None,3])), tree_node([1,None,2,None,3]))\n"
             "    assert is_same_tree(candidate(root = tree_node([])), tree_node([]))\n",
             "class Solution:\n    def f(self, root):\n        if root:\n            root.left, root.right = "
             "self.f(root.right), self.f(root.left)\n        return root\n", task_id="u"),
        leet("    assert is_same_list(candidate(head = list_node([1,2])), list_node([1]))\n"
             "    assert is_same_list(candidate(head = list_node([5])), None)\n",
             "class Solution:\n    def f(self, head):\n        if not head.next:\n            return None\n"
             "        head.next = None\n        return head\n", task_id="v"),
        leet("    assert len(candidate(1)) == 3\n    assert len(candidate(2)) == 3\n",
             "class Solution:\n    def f(self, n):\n        return [n] * 3\n", task_id="w"),
    ]  # fmt: skip
    tasks = list(leetcode.read(write(tmp_path / "x", *rows)))
    assert tasks[0].public_tests == (CallTest(([2], 1), [2, 1]),), "keywords in the order of the parameters"
    assert tasks[1].private_tests == (CallTest(([],), []),)
    assert tasks[0].metadata["difficulty"] == "Medium"
    assert isinstance(tasks[3].public_tests[0], AssertTest)
    reports = judge_many([(task, task.references[0]) for task in tasks], box)
    assert [report.verdict.value for report in reports] == ["accepted"] * 4
    assert [report.trust for report in reports] == ["sound", "sound", "sound", "forgeable"]
    wrong = Program("class Solution:\n    def f(self, root):\n        return root\n")
    assert judge(tasks[1], wrong, box).verdict is Verdict.WRONG_ANSWER


# MBPP, HumanEval+, MBPP+


def test_mbpp_oddities(tmp_path, box):
    pair = "class Pair(object):\r\n\tdef __init__(self, a, b):\r\n\t\tself.a = a\r\n\t\tself.b = b\r\n"
    rows = [
        {"task_id": 601, "text": "Longest.", "code": f"{pair}def chain(arr, n):\r\n\treturn len(arr)",
         "test_setup_code": "",
         "test_list": ["assert chain([Pair(5, 24)], 1) == 1", "assert chain([Pair(1, 2), Pair(3, 4)], 2) == 2"],
         "challenge_test_list": ["assert chain([], 0) == 0"]},
        {"task_id": 11, "prompt": "Count.", "code": "import collections as c\ndef count(s):\n  return c.Counter(s)",
         "test_imports": ["import math"], "test_list": ["assert count('aa') == {'a': 2}", "assert count('') == {}"]},
        {"task_id": 900, "text": "Sets.", "code": "def s(a):\n  return {(x, x) for x in a}",
         "test_list": ["assert s([1]) == {(1, 1)}", "assert set(s([2])) == {(2, 2)}"]},
    ]  # fmt: skip
    tasks = list(mbpp.read(write(tmp_path / "x", *rows)))
    assert [task.metadata["split"] for task in tasks] == ["train", "test", "train"]
    chain, _, sets = tasks
    assert "class Pair" in chain.statement, "only the reference defines it, so the task has to give it"
    assert "\r" not in chain.references[0].source
    assert len(chain.private_tests) == 2
    assert rows[0]["test_list"][0] in chain.statement
    assert rows[0]["test_list"][1] not in chain.statement
    assert isinstance(sets.public_tests[0], CallTest)
    assert isinstance(sets.private_tests[0], AssertTest)
    for task in tasks:
        assert judge(task, task.references[0], box).passed
    own = "class Pair:\n    pass\ndef chain(arr, n):\n    return n"
    assert judge(chain, Program(own), box).passed


def test_evalplus_inputs_and_results_are_read_off(tmp_path):
    row = {"task_id": "HumanEval/9", "entry_point": "half", "canonical_solution": "    return x / 2\n",
           "prompt": 'import math\n\ndef half(x):\n    """>>> half(4)\n    2.0\n    """\n',
           "test": "import numpy as np\ndef check(candidate):\n    inputs = [[4], [3], [inf]]\n"
                   "    results = [2.0, 1.5, inf]\n    for i, (inp, exp) in enumerate(zip(inputs, results)):\n"
                   "        assertion(candidate(*inp), exp, 1e-4)\n"}  # fmt: skip
    [task] = evalplus.read(write(tmp_path / "x", row))
    assert task.public_tests == (CallTest((4,), 2.0),)
    assert task.private_tests == (CallTest((3,), 1.5), CallTest((float("inf"),), float("inf")))
    assert task.checker == "floats 0.0001"


def test_evalplus_answers_come_from_the_reference_in_the_sandbox(tmp_path, box):
    row = {"task_id": "HumanEval/9", "entry_point": "half", "canonical_solution": "    return x / 2\n",
           "prompt": "def half(x):\n", "test": "", "contract": "", "atol": 0, "base_input": [[4]],
           "plus_input": [[5], ["a"]]}  # fmt: skip
    path = write(tmp_path / "x", row)
    [task] = evalplus.read(path, box=box)
    assert task.public_tests == (CallTest((4,), 2.0),)
    assert task.private_tests == (CallTest((5,), 2.5),), "an input the reference fails on is left out"
    with pytest.raises(TaskError, match="field plus_input: holds inputs without results; give a sandbox"):
        list(evalplus.read(path))


def test_mbpp_plus(tmp_path):
    row = {"task_id": 2, "prompt": "Shared.", "code": "def shared(a, b):\n  return tuple(set(a) & set(b))",
           "test_imports": [], "test_list": ["assert set(shared((3, 4),(4, 5))) == set((4,))"],
           "test": "def assertion(out, exp, atol):\n    out = set(out)\ninputs = [[(3, 4), (4, 5)], [(), ()]]\n"
                   "results = [(4,), ()]\nfor i, (inp, exp) in enumerate(zip(inputs, results)):\n"
                   "    assertion(shared(*inp), exp, 0)\n"}  # fmt: skip
    [task] = evalplus.read(write(tmp_path / "x", row))
    assert (task.key, task.checker, len(task.private_tests)) == ("MBPP/2", "set", 2)


# QuixBugs, CodeI/O, and our own


def test_quixbugs(tmp_path, box):
    folder = tmp_path / "json_testcases"
    write(folder / "flatten.json", [[[[1], 2]], [1, 2]], [[[[[3]]]], [3]])
    write(folder / "sqrt.json", [[2, 0.5], 1.5], [[2, 0.01], 1.4142])
    assert [task.key for task in quixbugs.read(folder)] == ["quixbugs/flatten", "quixbugs/sqrt"]
    assert set(load_suite(folder).splits) == {"unscored"}, "there is nothing to mend"
    for name, last in (("python_programs", "flatten(x)"), ("correct_python_programs", "x")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flatten.py").write_text(
            "def flatten(a):\n    for x in a:\n        if isinstance(x, list):\n"
            f"            yield from flatten(x)\n        else:\n            yield {last}\n"
        )
    flatten, sqrt = quixbugs.read(tmp_path)
    assert "Mend it" in flatten.statement
    reports = judge_many([(flatten, flatten.references[0]), (flatten, flatten.mutants[0])], box)
    assert [report.passed for report in reports] == [True, False]
    assert [test.checker for test in (*sqrt.public_tests, *sqrt.private_tests)] == ["json 0.5", "json 0.01"]
    assert judge(sqrt, Program("def sqrt(x, e):\n    return x ** 0.5"), box).passed
    assert not judge(sqrt, Program("def sqrt(x, e):\n    return 1.5"), box).passed


CODEIO = {
    "task_description": "Add.", "input_output_spec": "Input: a, b",
    "code_sample": "def main_solution(a, b=2):\n    return (a, b)\n",
    "input_generator": "def generate_inputs(rng: Random) -> dict:\n"
    "    return {'b': rng.randint(0, 9), 'a': random.random()}\n",
}  # fmt: skip


def test_codeio_makes_the_same_tests_every_time_in_the_sandbox(tmp_path, box):
    array = tmp_path / "codeio-hq.jsonl"  # an array in spite of its name, and another name of the generator
    other = {**CODEIO, "input_generator": CODEIO["input_generator"].replace("generate_inputs", "generate_input")}
    array.write_text(json.dumps([other], indent=1))
    path = write(tmp_path / "codeio.jsonl", CODEIO)
    [task], [again], [hq] = (list(codeio.read(p, box=box)) for p in (path, path, array))
    assert task == again
    assert len(task.public_tests) == len(hq.public_tests) == 2
    assert len(task.private_tests) == 12
    test = task.private_tests[0]
    assert test.expected == list(test.arguments), "arguments by name, tuples as lists"
    assert judge(task, task.references[0], box).passed
    assert list(codeio.read(path, box=box, seed=1)) != [task]


def test_codeio_never_runs_a_generator_here(tmp_path, box):
    mark = tmp_path / "mark"
    evil = {**CODEIO, "input_generator": f"def generate_inputs(rng):\n    open({str(mark)!r}, 'w')\n    return {{}}"}
    shouts = {**CODEIO, "input_generator": "def generate_inputs(rng):\n    raise SystemExit('\\x1b[2Jno')"}
    numpy = {**CODEIO, "code_sample": "import numpy\ndef main_solution(a, b):\n    return 1"}
    fickle = {**CODEIO, "code_sample": "import random\ndef main_solution(a, b):\n    return random.random()"}
    problems = []
    assert list(codeio.read(write(tmp_path / "x", evil, numpy, fickle, shouts), problems.append, box)) == []
    assert not mark.exists()
    assert "gives no inputs (runtime_error: FileNotFoundError: " in problems[0], "what it said last"
    assert "imports numpy" in problems[1]
    assert "change from run to run" in problems[2]
    assert "gives no inputs (runtime_error: [2Jno)" in problems[3], "in printable characters"


def test_our_own_format_gives_every_task_back(tmp_path):
    tasks = list(load_suite("starter:L0-L2")["test"])[:5]
    asserts = ["f((1, {2})) == {3: b'x'}", "f(inf) == [None]", f"f(0x1{'0' * 5000}) == 1"]
    row = {"task_id": 1, "text": "t", "code": "def f(a): return a", "test_list": [f"assert {text}" for text in asserts]}
    tasks += mbpp.read(write(tmp_path / "a", row))
    path = tmp_path / "x.jsonl"
    with open(path, "w") as file:
        assert jsonl.write(tasks, file) == len(tasks)
    again = list(jsonl.read(path))
    for one, other in zip(tasks, again, strict=True):
        assert (one.key, one.statement, one.limits, one.checker) == (
            other.key,
            other.statement,
            other.limits,
            other.checker,
        )
        assert (one.public_tests, one.private_tests) == (other.public_tests, other.private_tests)
        assert (one.references, one.mutants, one.adapter) == (other.references, other.mutants, other.adapter)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"stament": "s"}, 'field stament: unknown; did you mean "statement"'),
        ({"checker": "tokns"}, 'field checker: unknown checker "tokns"; did you mean "tokens"'),
        ({"private": [{"input": "1\n", "output": "2"}]}, "field private: test 1 asks what a public test asks"),
        ({"private": [{"input": "1\n"}]}, r"field private\[0\]: its fields are to be input and output"),
        ({"private": [{"call": "1", "returns": "2"}]}, r"field private\[0\].call: a tuple"),
        ({"private": [{"call": "(__import__('os'),)", "returns": "2"}]}, "not a Python literal"),
        ({"limits": {"wall": 1}}, "field limits.wall: unknown"),
        ({"groups": [{"name": "g", "points": 1, "tests": [5]}]}, "field groups.tests"),
    ],
)
def test_mistakes_in_our_own_format_are_explained(tmp_path, change, problem):
    row = {"key": "a", "statement": "s", "public": [{"input": "1\n", "output": "2\n"}], "private": [], **change}
    with pytest.raises(TaskError, match=problem):
        list(jsonl.read(write(tmp_path / "x", row)))
