"""Chat token bookkeeping: what goes in front of each response, in token ids, without ever encoding a response again.

A conversation is one growing list of ids. The first prompt is the template's rendering; what follows a response is the
template's difference on a dummy chat, so it begins with whatever closes an assistant's turn. Text of users is encoded
apart from the template's own text, so that a "<|im_end|>" inside a program's output never becomes structure.

Some templates rewrite earlier turns when one is added (thinking models drop their old reasoning). There the list cannot
grow: `append_only` is false, every turn's prompt is rendered anew, and each turn is a training sample of its own.
Whether a template does that is found out when it is loaded. A tokenizer without a template gets `PLAIN`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlef.episode import Turn
from rlef.errors import RlefError

PLAIN = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content + '\n\n' }}"
    "{% elif message.role == 'user' %}{{ '### Instruction:\n' + message.content + '\n\n### Response:\n' }}"
    "{% else %}{{ message.content + eos_token + '\n\n' }}{% endif %}"
    "{% endfor %}"
)
"""Template for base models: the opening of a response ends every user's turn, the end-of-sequence token closes it."""


class Chat:
    """Encodes observations for one tokenizer and its template.

    Args:
        tokenizer: a Hugging Face tokenizer. Without a chat template it is given `PLAIN`, which is saved with it.
        system: system message; the template's own default when empty. A template without a system role gets it in
            front of the first user message.

    Raises:
        RlefError: the template fails, changes a message's text, or closes a response with no special token; or there
            is neither template nor end-of-sequence token.
    """

    def __init__(self, tokenizer: Any, system: str = "") -> None:
        self.tokenizer, self._system = tokenizer, system
        if not getattr(tokenizer, "chat_template", None):
            if tokenizer.eos_token is None:
                raise RlefError("the tokenizer has neither a chat template nor an eos_token; set one of them")
            tokenizer.chat_template = PLAIN
        self._guard, self._guard_ids = self._find_guard()
        self._in_first = bool(system) and not self._knows_system()
        first, answer, second = _marks(3)
        opening = self._render([first], True)
        whole = self._render([first, answer], False)
        longer = self._render([first, answer, second], True)
        before, after = _split(whole, answer)
        if before.startswith(opening):
            self._lead = before.removeprefix(opening)
        else:  # an opening that begins the reasoning: an answer without one ends it at once
            self._lead = "\n</think>\n\n" if opening.rstrip().endswith("<think>") else ""
        self._opening = [self._structure(part) for part in _split(opening, first)]
        added = tokenizer.added_tokens_decoder.items()
        specials = {*tokenizer.all_special_ids, *(number for number, token in added if token.special)}
        closing = self._structure(after)
        place = next((place for place, token in enumerate(closing) if token in specials), None)
        if place is None:
            raise RlefError("the chat template does not close an assistant's turn with a special token; use another")
        self._closing = closing[: place + 1]
        self.end_id: int = closing[place]
        """The token that closes an assistant's turn."""
        self.stop_ids = frozenset(specials)
        """Sampling one of these ends the response: template tokens are structure, never content."""
        later = self._render([first, f"{second}</think>\n\n{answer}", first], True)
        self._drops_thoughts, self._keeps_gap = second not in later, f"\n\n{answer}" in later
        self.append_only = whole.startswith(opening) and longer.startswith(whole) and not self._drops_thoughts
        """Whether earlier turns stay as they are when one is added, so that a conversation's ids only grow."""
        if self.append_only:
            head, tail = _split(longer.partition(answer)[2], second)
            self._following = [self._structure(head)[len(self._closing) :], self._structure(tail)]

    def prompt(self, said: Sequence[Turn], observation: str) -> list[int]:
        """Ids in front of the next response: those that are new, or all of them where `append_only` is false."""
        if not said:
            return self.start(observation)
        if self.append_only:
            return self.follow(said[-1].response_ids, observation)
        texts = [text for turn in said for text in (turn.observation, self._as_history(turn.response))]
        texts.append(observation)
        marks = _marks(len(texts))
        ids, rest = [], self._render(marks, True)
        for mark, text in zip(marks, texts, strict=True):
            head, rest = _split(rest, mark)
            ids += [*self._structure(head), *self._content(text)]
        return ids + self._structure(rest)

    def start(self, observation: str) -> list[int]:
        """Ids of the prompt for the first response."""
        head, tail = self._opening
        return [*head, *self._content(observation), *tail]

    def follow(self, response_ids: Sequence[int], observation: str) -> list[int]:
        """Ids between a response and the next: the rest of its closing, the user's turn, the next opening.

        A response that hit the length limit, or ended on another template token, is closed here.
        """
        closed = bool(response_ids) and response_ids[-1] == self.end_id
        head, tail = self._following
        return [*([] if closed else self._closing), *head, *self._content(observation), *tail]

    def answer(self, text: str) -> list[int]:
        """Ids of a response somebody else wrote, closed as a model should close it. For supervised training only."""
        if self._lead.isspace():  # may be one token with what follows
            return [*self._content(self._lead + text), *self._closing]
        lead = "" if "</think>" in text else self._lead  # it brings its own reasoning
        return [*self._structure(lead), *self._content(text), *self._closing]

    def text(self, response_ids: Sequence[int]) -> str:
        """A sampled response as text, without the tokens that closed it."""
        ids = [token for token in response_ids if token not in self.stop_ids]
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _as_history(self, response: str) -> str:
        if not self._drops_thoughts:
            return response
        text = response.rpartition("</think>")[2]
        return text if self._keeps_gap else text.lstrip("\n")

    def _render(self, texts: Sequence[str], prompt: bool) -> str:
        """The template's rendering of a chat whose messages, user's first, are `texts`."""
        messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
        if self._in_first:
            messages[0]["content"] = f"{self._system}\n\n{texts[0]}"
        elif self._system:
            messages.insert(0, {"role": "system", "content": self._system})
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt))
        except Exception as error:  # whatever a template raises
            raise RlefError(f"the chat template fails on an ordinary chat ({error}); use another template") from error

    def _knows_system(self) -> bool:
        self._in_first = False
        try:
            return self._system.strip() in self._render(_marks(1), True)
        except RlefError:
            return False

    def _find_guard(self) -> tuple[str, list[int]]:
        """Text encoded in front and cut off again, for tokenizers that put a space before whatever they are given."""
        probe = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        if not self.tokenizer.convert_ids_to_tokens(probe)[0].startswith("▁"):
            return "", []
        return "\n", list(self.tokenizer("\n", add_special_tokens=False)["input_ids"])

    def _structure(self, text: str) -> list[int]:
        return self._encode(text)

    def _content(self, text: str) -> list[int]:
        # Tokenizers refuse lone surrogates.
        return self._encode(text.encode("utf-8", "replace").decode(), split_special_tokens=True)

    def _encode(self, text: str, **options: Any) -> list[int]:
        if not text:
            return []
        ids = list(self.tokenizer(self._guard + text, add_special_tokens=False, **options)["input_ids"])
        if ids[: len(self._guard_ids)] == self._guard_ids:
            return ids[len(self._guard_ids) :]
        return list(self.tokenizer(text, add_special_tokens=False, **options)["input_ids"])


def _marks(count: int) -> list[str]:
    """Texts in private-use characters, for which no template and no tokenizer has a rule."""
    return [f"\ue000{number}\ue000" for number in range(count)]


def _split(text: str, mark: str) -> tuple[str, str]:
    head, found, tail = text.partition(mark)
    if not found or mark in tail:
        raise RlefError("the chat template changes the text of a message; use a template that keeps it as it is")
    return head, tail
