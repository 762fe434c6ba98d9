"""Written answers instead of a model: for tests, for demonstrations, and to judge programs that came from elsewhere.

The file has one line of JSON per task: {"task": "L0/sum/3", "answers": ["first answer", "answer after feedback"]}. The
last answer is repeated when more are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rlef.errors import RlefError
from rlef.policies.interface import Message, Sampling


class Scripted:
    """A `Speaker` that reads its answers off a file.

    Raises:
        RlefError: the file cannot be read, or a line of it is not as above.
    """

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, list[str]] = {}
        """Answers by the key of their task."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RlefError(f"{path}: cannot be read ({error}); name a file of answers") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                task, answers = row["task"], row["answers"]
            except (ValueError, TypeError, KeyError) as error:
                raise RlefError(
                    f'{path}, line {number}: needs {{"task": KEY, "answers": [TEXT, ...]}} ({error!r})'
                ) from error
            if not isinstance(answers, list) or not answers or not all(isinstance(one, str) for one in answers):
                raise RlefError(f'{path}, line {number}: "answers" must be a list of texts, at least one')
            if not isinstance(task, str) or task in self.answers:
                raise RlefError(f'{path}, line {number}: "task" must be the key of a task that has no line yet')
            self.answers[task] = answers
        if not self.answers:
            raise RlefError(f"{path}: holds no answer; write one line per task")

    def reply(self, task: str, messages: Sequence[Message], seed: tuple[int, ...], sampling: Sampling) -> str:
        """The answer written for this task and turn."""
        answers = self.answers[task]
        turn = sum(message["role"] == "assistant" for message in messages)
        return answers[min(turn, len(answers) - 1)]
