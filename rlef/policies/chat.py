"""Chat token bookkeeping: what goes in front of each response, in token ids, without ever encoding a response again.

A conversation is one growing list of ids. The first prompt is the template's rendering; what follows a response is the
template's difference on a dummy chat, so it begins with whatever closes an assistant's turn. Text of users is encoded
apart from the template's own text, so that a "<|im_end|>" inside a program's output never becomes structure. A template
that rewrites earlier turns cannot be used this way and is refused when it is loaded.
"""

from __future__ import annotations

from typing import Any

from rlef.errors import RlefError

_MARKS = ("\ue000first\ue000", "\ue000answer\ue000", "\ue000second\ue000")
"""Private-use characters: no template and no tokenizer has a rule for them."""


class Chat:
    """Encodes observations for one tokenizer and its template.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template.
        system: system message; the template's own default when empty.

    Raises:
        RlefError: there is no template, or it changes earlier turns when a later one is added.
    """

    def __init__(self, tokenizer: Any, system: str = "") -> None:
        self.tokenizer = tokenizer
        if not getattr(tokenizer, "chat_template", None):
            raise RlefError("the tokenizer has no chat template; use an instruct model, or set tokenizer.chat_template")
        first, answer, second = _MARKS
        before = [{"role": "system", "content": system}] if system else []
        user = [*before, {"role": "user", "content": first}]
        said = [*user, {"role": "assistant", "content": answer}]
        more = [*said, {"role": "user", "content": second}]
        opening = self._render(user, True)
        whole = self._render(said, False)
        longer = self._render(more, True)
        if not whole.startswith(opening) or not longer.startswith(whole) or longer.count(answer) != 1:
            raise RlefError(
                "the chat template is not prefix-preserving (it rewrites earlier turns when one is added); "
                "use a template without that"
            )
        self._opening = tuple(map(self._structure, _split(opening, first)))
        closing, after = longer[len(opening) :].removeprefix(answer), whole[len(opening) :].removeprefix(answer)
        head, tail = _split(closing, second)
        end_ids = self._structure(after)
        specials = set(tokenizer.all_special_ids)
        self.end_id: int | None = next((token for token in end_ids if token in specials), None)
        """The token that closes an assistant's turn."""
        if self.end_id is None or end_ids[0] != self.end_id:
            raise RlefError("the chat template does not close an assistant's turn with a special token; use another")
        self._closing = (self._structure(head)[1:], self._structure(tail))
        self.stop_ids = frozenset(specials | {self.end_id})
        """Sampling one of these ends the response: template tokens are structure, never content."""

    def start(self, observation: str) -> list[int]:
        """Ids of the prompt for the first response."""
        head, tail = self._opening
        return [*head, *self._content(observation), *tail]

    def follow(self, response_ids: list[int] | tuple[int, ...], observation: str) -> list[int]:
        """Ids between a response and the next: the rest of its closing, the user's turn, the next opening."""
        assert self.end_id is not None
        closing = [] if response_ids and response_ids[-1] == self.end_id else [self.end_id]
        head, tail = self._closing
        return [*closing, *head, *self._content(observation), *tail]

    def answer(self, text: str) -> list[int]:
        """Ids of a response somebody else wrote, closed as a model should close it. For supervised training only."""
        assert self.end_id is not None
        return [*self._content(text), self.end_id]

    def text(self, response_ids: list[int] | tuple[int, ...]) -> str:
        """A sampled response as text, without the tokens that closed it."""
        ids = [token for token in response_ids if token not in self.stop_ids]
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _render(self, messages: list[dict[str, str]], prompt: bool) -> str:
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt))
        except Exception as error:  # whatever a template raises
            raise RlefError(f"the chat template fails on an ordinary chat ({error}); use another template") from error

    def _structure(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _content(self, text: str) -> list[int]:
        clean = text.encode("utf-8", "replace").decode()  # tokenizers refuse lone surrogates
        return list(self.tokenizer(clean, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def _split(text: str, mark: str) -> tuple[str, str]:
    head, found, tail = text.partition(mark)
    if not found:
        raise RlefError("the chat template changes the text of a message; use a template that keeps it as it is")
    return head, tail
