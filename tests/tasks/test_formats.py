"""Every peculiarity of the published files, each on a small file of our own."""

import base64
import json
import pickle
import zlib
from pathlib import Path

import pytest

from sandbox import Program
from tasks import AssertTest, CallTest, StdioTest, TaskError, Verdict, judge, judge_many, load_suite
from tasks.formats import apps, code_contests, codeio, evalplus, jsonl, leetcode, livecodebench, mbpp, quixbugs
from tasks.formats.comparing import checker_for, tolerance
from tasks.formats.splitting import several_answers, split_tests

STATEMENT = "Add.\n\nExamples\n\nInput\n\n1 2\n\nOutput\n\n3\n\nInput\n\n2 2\n\nOutput\n\n4\n"


def write(path, *given):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return path


def stdio(*pairs):
    return tuple(StdioTest(f"{a}\n", f"{b}\n") for a, b in pairs)


# Public and private where a file does not say


def test_examples_in_the_statement_are_public():
    tests = stdio(("1 2", 3), ("5 5", 10), ("2  2", 4), ("2 1", 3))
    assert split_tests(STATEMENT, tests) == ((tests[0], tests[2]), (tests[1], tests[3]))
    assert split_tests("No example.", tests) == (tests[:1], tests[1:])
    assert split_tests("No example.", tests[:1]) == ((), tests[:1])
    assert split_tests(STATEMENT, [*tests, tests[1]])[1] == (tests[1], tests[3]), "a repeated test counts once"


def test_examples_of_calls_are_found():
    tests = (CallTest(([2, 3, 4], 5), 9), CallTest(([1], 2), 3), CallTest(([7], 7), True))
    shown = "Example:\nInput: arr = [2,3,4], k = 5\nOutput: 9"
    assert split_tests(shown, tests) == (tests[:1], tests[1:])
    huge = CallTest((10**5000,), 1)
    assert split_tests("none", [huge, *tests])[1][0] == huge, "feedback could not write it out"


@pytest.mark.parametrize(
    ("statement", "several"),
    [
        ("If there are several solutions, print any of them.", True),
        ("You can return the answer in any order.", True),
        ("If there are multiple answers, output any.", True),
        ("Any valid answer will be accepted.", True),
        ("The answer is not unique.", True),
        ("If there are several options for x, output the smallest.", False),
        ("You can print each letter in any case.", False),
        ("Print the number of edges; there is no need for any other output.", False),
        ("You may choose any vertex first. Print one number.", False),
    ],
)
def test_several_right_answers_are_detected(statement, several):
    assert several_answers(statement) is several


@pytest.mark.parametrize(
    ("statement", "outputs", "spec"),
    [
        ("Print the sum.", ["3"], "kattis case_sensitive"),
        ("Print Yes or No.", ["Yes", "No"], "kattis"),
        ("Print the word in any case.", ["abc"], "kattis"),
        ("Absolute or relative error of at most 10^{-4}.", ["0.5"], "kattis case_sensitive float_tolerance 1e-4"),
        ("its relative or absolute error does not exceed 10 - 9", ["0.5"], "kattis case_sensitive float_tolerance 1e-9"),
    ],
)
def test_comparison_is_read_off_the_statement(statement, outputs, spec):
    assert checker_for(statement, [StdioTest("", text) for text in outputs]) == spec
    assert tolerance("an error of at most 0.00001") == "1e-5"


# CodeContests

CC = {
    "name": "1_A. Sum", "description": STATEMENT, "source": 2, "difficulty": 7,
    "public_tests": {"input": ["1 2"], "output": ["3"]},
    "private_tests": {"input": ["1 2\n", "4 4", "4 4"], "output": ["3\n", "8", "8"]},
    "generated_tests": {"input": ["7 7"], "output": ["14"], "is_valid_test": None},
    "time_limit": {"seconds": 2, "nanos": 500_000_000}, "memory_limit_bytes": 256_000_000,
    "solutions": {"language": [2, 3, 1], "solution": ["int main(){}", "print(3)\r\n", "print 3"]},
    "incorrect_solutions": {"language": [3], "solution": ["print(4)"]},
}  # fmt: skip


def test_code_contests_tests_are_parallel_lists(tmp_path):
    [task] = code_contests.read(write(tmp_path / "code_contests_train.jsonl", CC))
    assert task.public_tests == stdio(("1 2", 3))
    assert task.private_tests == stdio(("4 4", 8), ("7 7", 14)), "repeated and public ones count once; newlines added"
    assert task.limits.cpu_s == 7.5
    assert task.references == (Program("print(3)\n"), Program("int main(){}", "cpp")), "Python first; no Python 2"
    assert task.mutants == (Program("print(4)"),)
    assert task.metadata["source"] == "codeforces"
    assert task.metadata["split"] == "train"
    assert "unscored" not in task.metadata


@pytest.mark.parametrize(
    "tests", [[{"input": "4 4", "output": "8"}], {"inputs": ["4 4"], "outputs": ["8"]}], ids=["pairs", "inputs"]
)
def test_code_contests_other_carriers(tmp_path, tests):
    row = {**CC, "private_tests": tests, "generated_tests": {"input": [], "output": []}, "time_limit": None}
    [task] = code_contests.read(write(tmp_path / "x", row))
    assert task.private_tests == stdio(("4 4", 8))
    assert task.limits.cpu_s == 10


def test_code_contests_one_indented_object(tmp_path):
    path = tmp_path / "my_problem.json"
    path.write_text(json.dumps({k: CC[k] for k in ("name", "description", "public_tests", "generated_tests")}, indent=2))
    [task] = code_contests.read(path)
    assert task.private_tests == stdio(("7 7", 14))


def test_one_input_with_two_outputs_means_several_answers(tmp_path):
    row = {**CC, "private_tests": {"input": ["1 2", "4 4"], "output": ["2 1", "8"]}}
    suite = load_suite(write(tmp_path / "x.jsonl", row))
    assert list(suite.splits) == ["unscored"]
    assert "different outputs" in suite["unscored"][0].metadata["unscored"]


def test_sandbox_fusion_rows_are_split(tmp_path):
    tests = [{"input": {"stdin": a}, "output": {"stdout": b}} for a, b in (("1 2\n", "3\n"), ("9 9\n", "18\n"))]
    row = {"content": STATEMENT, "id": 4, "labels": '{"name": "a3"}', "test": json.dumps(tests)}
    [task] = code_contests.read(write(tmp_path / "x", row))
    assert (task.key, task.public_tests, task.private_tests) == ("a3", stdio(("1 2", 3)), stdio(("9 9", 18)))


# APPS


def apps_row(given, **more):
    return {"problem_id": 7, "question": "Add.", "solutions": "", "starter_code": "", "input_output": given, **more}


def test_apps_fields_are_json_texts_that_may_be_empty(tmp_path):
    good = apps_row(json.dumps({"inputs": ["1\n", ["2", "3"]], "outputs": ["1\n", ["2", "3"]]}))
    problems = []
    tasks = list(apps.read(write(tmp_path / "x", good, apps_row("", problem_id=8)), problems.append))
    assert [task.key for task in tasks] == ["7"]
    assert tasks[0].private_tests == (StdioTest("2\n3\n", "2\n3\n"),), "a list of lines is a text"
    assert "row 2: field input_output: holds no test" in problems[0]


def test_apps_calls_accept_a_value_with_or_without_a_list_around_it(tmp_path, box):
    given = {"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], [7]]}
    starter = "class Solution:\n    def add(self, a: int, b: int) -> int:\n"
    [task] = apps.read(write(tmp_path / "x", apps_row(json.dumps(given), starter_code=starter, tags="['math', 'dp']")))
    assert task.entry_point == "Solution.add"
    assert task.metadata["tags"] == ["math", "dp"]
    assert starter.strip() in task.statement
    for value, verdict in {"a + b": "accepted", "[a + b]": "accepted", "a": "wrong_answer"}.items():
        program = Program(f"class Solution:\n    def add(self, a: List[int], b):\n        return {value}\n")
        assert judge(task, program, box).verdict == verdict


def test_apps_numbers_of_any_length(tmp_path, box):
    given = f'{{"fn_name": "f", "inputs": [[1], [2]], "outputs": [1, {"9" * 6000}]}}'
    with pytest.raises(ValueError, match="limit"):
        json.loads(given)  # the control
    [task] = apps.read(write(tmp_path / "x", apps_row(given)))
    assert task.private_tests[0].expected == 10**6000 - 1
    program = "def f(n):\n    return 10 ** 6000 - 1 if n > 1 else 1"
    assert judge(task, Program(program), box).passed


def test_apps_folders(tmp_path):
    folder = tmp_path / "train" / "0001"
    folder.mkdir(parents=True)
    (folder / "question.txt").write_text(STATEMENT)
    (folder / "input_output.json").write_text(json.dumps({"inputs": ["1 2\n", "8 8\n"], "outputs": ["3\n", "16\n"]}))
    (folder / "solutions.json").write_text(json.dumps(["return\n", "print(3)"]))
    (folder / "metadata.json").write_text('{"difficulty": "interview"}')
    suite = load_suite(tmp_path)
    task = suite["train"][0]
    assert (task.key, task.metadata["difficulty"], task.references) == ("0001", "interview", (Program("print(3)"),))
    secret = tmp_path / "secret"
    secret.write_text("the host's own file")
    (folder / "starter_code.py").symlink_to(secret)
    with pytest.raises(TaskError, match=r"0001: file starter_code\.py: a link to elsewhere"):
        list(apps.read(tmp_path))


# LiveCodeBench


class Bomb:
    """A pickle that writes a file when it is loaded by the standard unpickler."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def packed(value):
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


LCB = {
    "question_id": "q1", "question_content": "Add.", "starter_code": "class Solution:\n    def add(self, a, b):\n",
    "metadata": '{"func_name": "add"}', "platform": "leetcode", "difficulty": "easy", "contest_date": "2024-01-01",
    "public_test_cases": json.dumps([{"input": "1\n[2]", "output": "[1, 2]", "testtype": "functional"}]),
}  # fmt: skip


def test_livecodebench_encoding(tmp_path, box):
    hidden = json.dumps([{"input": "3\n[4]", "output": "[3, 4]", "testtype": "functional"}])
    for text in (hidden, packed(hidden)):
        [task] = livecodebench.read(write(tmp_path / "x", {**LCB, "private_test_cases": text}))
        assert task.public_tests == (CallTest((1, [2]), [1, 2]),)
        assert task.private_tests == (CallTest((3, [4]), [3, 4]),)
    program = Program("class Solution:\n    def add(self, a: int, b: List[int]):\n        return (a, *b)")
    assert judge(task, program, box).passed, "a tuple is what JSON calls a list; List is imported"


def test_pickle_bombs_do_nothing(tmp_path):
    mark = tmp_path / "mark"
    bomb = packed(Bomb(str(mark)))
    path = write(tmp_path / "x", {**LCB, "private_test_cases": bomb})
    with pytest.raises(TaskError, match=r"row 1: field private_test_cases: not to be unpacked"):
        list(livecodebench.read(path))
    assert not mark.exists()
    pickle.loads(zlib.decompress(base64.b64decode(bomb)))  # the control: the attack works with the defence off
    assert mark.exists()


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.formats.livecodebench.MAX_LINE", 1 << 20)
    with pytest.raises(TaskError, match="more than 1 MiB"):
        list(livecodebench.read(write(tmp_path / "x", {**LCB, "private_test_cases": packed("x" * (8 << 20))})))


def test_livecodebench_repacked_rows(tmp_path):
    held = {"inputs": ["1 2\n", "5 5\n"], "outputs": ["3\n", "10\n"], "fn_name": None}
    row = {"id": 1, "content": STATEMENT, "canonical_solution": "import sys; sys.exit(0)",
           "labels": '{"task_id": "codeforces/1_A"}', "test": packed({"input_output": json.dumps(held)})}  # fmt: skip
    [task] = livecodebench.read(write(tmp_path / "x", row))
    assert (task.key, len(task.public_tests), len(task.private_tests)) == ("codeforces/1_A", 1, 1)
    assert task.references == (), "a placeholder is no reference"


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
    return {"task_id": "t", "prompt": PRELUDE, "completion": completion, "entry_point": "Solution().f",
            "test": f"def check(candidate):\n{test}", "query": "Do it.", "meta": {"difficulty": "Meidum"}, **more}  # fmt: skip


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
        {"task_id": 601, "text": "Longest.", "code": f"{pair}def chain(arr, n):\r\n\treturn len(arr)", "test_setup_code": "",
         "test_list": ["assert chain([Pair(5, 24)], 1) == 1", "assert chain([Pair(1, 2), Pair(3, 4)], 2) == 2"],
         "challenge_test_list": ["assert chain([], 0) == 0"]},
        {"task_id": 11, "prompt": "Count.", "code": "from collections import Counter\ndef count(s):\n  return Counter(s)",
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
    row = {"task_id": 2, "prompt": "Shared.", "code": "def shared(a, b):\n  return tuple(set(a) & set(b))", "test_imports": [],
           "test_list": ["assert set(shared((3, 4),(4, 5))) == set((4,))"],
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
    for name in ("python_programs", "correct_python_programs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flatten.py").write_text(
            "def flatten(a):\n    for x in a:\n        if isinstance(x, list):\n"
            f"            yield from flatten(x)\n        else:\n            yield {'x' if 'corr' in name else 'flatten(x)'}\n"
        )
    flatten, sqrt = quixbugs.read(tmp_path)
    assert "Mend it" in flatten.statement
    reports = judge_many([(flatten, flatten.references[0]), (flatten, flatten.mutants[0])], box)
    assert [report.passed for report in reports] == [True, False]
    assert [test.checker for test in (*sqrt.public_tests, *sqrt.private_tests)] == ["json 0.5", "json 0.01"]
    assert judge(sqrt, Program("def sqrt(x, e):\n    return x ** 0.5"), box).passed
    assert not judge(sqrt, Program("def sqrt(x, e):\n    return 1.5"), box).passed


CODEIO = {
    "task_description": "Add.", "input_output_spec": "Input: a, b", "code_sample": "def main_solution(a, b=2):\n    return (a, b)\n",
    "input_generator": "def generate_inputs(rng: Random) -> dict:\n    return {'b': rng.randint(0, 9), 'a': random.random()}\n",
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
    numpy = {**CODEIO, "code_sample": "import numpy\ndef main_solution(a, b):\n    return 1"}
    problems = []
    assert list(codeio.read(write(tmp_path / "x", evil, numpy), problems.append, box)) == []
    assert not mark.exists()
    assert "gives no inputs" in problems[0]
    assert "imports numpy" in problems[1]


def test_our_own_format_gives_every_task_back(tmp_path):
    tasks = list(load_suite("starter")["test"])[:5]
    tasks += mbpp.read(write(tmp_path / "a", {"task_id": 1, "text": "t", "code": "def f(a): return a", "test_list": [
        "assert f((1, {2})) == {3: b'x'}", "assert f(inf) == [None]", "assert f(0x1" + "0" * 5000 + ") == 1"]}))  # fmt: skip
    path = tmp_path / "x.jsonl"
    with open(path, "w") as file:
        assert jsonl.write(tasks, file) == len(tasks)
    again = list(jsonl.read(path))
    for one, other in zip(tasks, again, strict=True):
        assert (one.key, one.statement, one.limits, one.checker) == (other.key, other.statement, other.limits, other.checker)
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
