"""Programs in answers, the way models really write them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlef.envs.answers import find_program

CASES = {
    "plain": ("```python\nprint(1)\n```", "print(1)\n"),
    "talk around it": ("Sure!\n```python\nprint(1)\n```\nThis prints 1.", "print(1)\n"),
    "no tag": ("```\nprint(1)\n```", "print(1)\n"),
    "tag and more": ("```py title=solution\nprint(1)\n```", "print(1)\n"),
    "other language": ("```cpp\nint main() {}\n```", None),
    "output after the program": ("```python\nprint(1)\n```\n```text\n1\n```", "print(1)\n"),
    "tagged before untagged": ("```python\nprint(1)\n```\nOutput:\n```\n1\n```", "print(1)\n"),
    "the last program counts": ("```python\nfirst\n```\nBetter:\n```python\nsecond\n```", "second\n"),
    "never closed": ("```python\nprint(1)\nprint(2)", "print(1)\nprint(2)"),
    "tildes": ("~~~python\nprint(1)\n~~~", "print(1)\n"),
    "longer fence holds a fence": ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
    "windows line ends": ("```python\r\nprint(1)\r\n```", "print(1)\n"),
    "indented": ("  ```python\n  print(1)\n  ```", "  print(1)\n"),
    "thinking": ("<think>```python\nwrong\n```</think>```python\nright\n```", "right\n"),
    "thinking without end": ("<think>```python\nprint(1)\n```", None),
    "empty": ("```python\n\n```", None),
    "no fence": ("print(1)", None),
    "backticks in the line": ("use `print(1)`", None),
    "": ("", None),
}


@pytest.mark.parametrize("name", CASES)
def test_find_program(name):
    answer, program = CASES[name]
    assert find_program(answer) == program


def test_language():
    assert find_program("```cpp\nint main() {}\n```\n```python\nx\n```", "cpp") == "int main() {}\n"


@given(st.text(), st.text(alphabet="`~ \npython<think>/", max_size=200))
def test_any_text_is_an_answer(text, fences):
    for answer in (text, fences, fences + text + fences):
        found = find_program(answer)
        assert found is None or found.strip()


REAL = json.loads((Path(__file__).parent / "answers.json").read_text())


@pytest.mark.parametrize("row", REAL, ids=lambda row: row["case"])
def test_what_the_embedded_model_really_says(row):
    """SmolLM2-135M-Instruct on tasks of the starter suite, before and after a warm start."""
    found = find_program(row["answer"])
    assert found == row["program"]
    assert found in row["answer"]
    assert "```" not in found
    assert find_program(row["answer"], plain=True) == found


PLAIN = {
    "code alone": ("print(1)\n", "print(1)\n"),
    "thinking before it": ("<think>what?</think>print(1)", "print(1)"),
    "a fence": ("talk\n```python\nprint(1)\n```", "print(1)\n"),
    "a fence of another language": ("```text\nprint(1)\n```", None),
    "an empty fence": ("```python\n\n```", None),
    "nothing": (" \n", None),
    "thoughts only": ("<think>print(1)", None),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_code_is_an_option(name):
    answer, program = PLAIN[name]
    assert find_program(answer, plain=True) == program
    if "```" not in answer:
        assert find_program(answer) is None
