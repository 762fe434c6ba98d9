"""Finds the program in a model's answer.

Models fence code in several ways and are cut off in the middle of a block, so the rules are explicit: reasoning
sections are dropped; of the fenced blocks the last one whose tag is the task's language counts, else the last one
without a tag; a fence that was never closed runs to the end of the text. Text without a fence holds no program, unless
the caller says that it is one (`plain`: for base models, which write code without a word around it).
"""

from __future__ import annotations

import re

_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<tag>[^\s`]*)[^\n]*\n(?P<code>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_TAGS = {
    "python": {"python", "python3", "py", "py3"},
    "cpp": {"cpp", "c++", "cc", "cxx"},
}


def find_program(answer: str, language: str = "python", plain: bool = False) -> str | None:
    """The source text of the program in `answer`, None when there is none.

    Args:
        plain: text without any fence is a program as a whole.
    """
    text = _THINKING.sub("", answer.replace("\r\n", "\n"))
    blocks = [(match["tag"].lower(), match["code"]) for match in _FENCE.finditer(text) if match["code"].strip()]
    for tags in (_TAGS.get(language, {language}), {""}):
        if programs := [code for tag, code in blocks if tag in tags]:
            return programs[-1]
    return text if plain and text.strip() and not _FENCE.search(text) else None


def answer_of(program: str) -> str:
    """The answer a program is judged in: one fenced block, without the prose a model may have put around it."""
    newline = "\n"
    return f"```python\n{program.strip(newline)}\n```"
