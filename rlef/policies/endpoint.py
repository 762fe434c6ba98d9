"""Models behind an OpenAI-compatible server (vLLM, SGLang, llama.cpp, `transformers serve`, hosted ones).

Text mode asks for chat completions, so the server's own template is used and any such server will do. Token mode asks
for completions of token ids and gets token ids back, so episodes are exact; it needs the model's tokenizer here and a
server that knows `return_token_ids` (vLLM). Busy and failing servers are asked again, with growing pauses; one that
still does not answer ends the evaluation, because an answer that is missing is nobody's mistake.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rlef.errors import RlefError
from rlef.policies.interface import ContextFull, Follow, Message, Request, Sample, Sampling, in_rounds

KEY_VARIABLE = "RLEF_API_KEY"
_BUSY = (408, 429, 500, 502, 503, 504)
_CONTEXT = re.compile(r"context.{0,20}(length|size|window)|maximum.{0,20}(context|length)", re.IGNORECASE)


@dataclass(frozen=True)
class EndpointConfig:
    """A served model (`rlef eval http://host:port/v1`). An API key is read from the variable RLEF_API_KEY."""

    model: str = ""
    """Its name there; the only one served when empty."""
    tokenizer: str = ""
    """Folder or Hugging Face id of its tokenizer: exchange token ids instead of text."""
    concurrency: int = 16
    """Dialogues that are under way at the same time."""
    timeout_s: float = 300.0
    """Seconds an answer may take."""
    retries: int = 4
    """Further attempts when the server is busy or fails."""


class Endpoint:
    """A `Speaker` in text mode, an `Engine` in token mode.

    Args:
        url: base address, http://host:port/v1; "/v1" is added where there is no path.
        stop_ids: template tokens of the tokenizer, which end a response in token mode.

    Raises:
        RlefError: no server answers there, it refuses the key, or it serves several models and none was named.
    """

    def __init__(self, url: str, config: EndpointConfig, stop_ids: frozenset[int] = frozenset()) -> None:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        self._base = url.rstrip("/") if urlsplit(url).path.strip("/") else url.rstrip("/") + "/v1"
        self._config, self._stop_ids = config, sorted(stop_ids)
        self._session = requests.Session()
        if key := os.environ.get(KEY_VARIABLE):
            self._session.headers["Authorization"] = f"Bearer {key}"
        again = Retry(
            config.retries, status_forcelist=_BUSY, allowed_methods=None, backoff_factor=0.5, backoff_max=30,
            raise_on_status=False,
        )  # fmt: skip
        adapter = HTTPAdapter(pool_maxsize=config.concurrency, max_retries=again)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._model = config.model or self._only_model()

    def reply(self, task: str, messages: Sequence[Message], seed: tuple[int, ...], sampling: Sampling) -> str:
        """Text mode: the next message. Raises ContextFull, or RlefError when the server gives no answer."""
        choice = self._ask("chat/completions", messages=list(messages), **_options(sampling, seed))
        message = choice.get("message")
        if not isinstance(message, dict):
            raise RlefError(f"{self._base}: the answer holds no message; this is no chat completions server")
        return message.get("content") or ""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Sample]:
        """Token mode: one sample per request, in order. Log-probabilities are what the server reports."""

        def sample(request: Request) -> Sample:
            try:
                choice = self._ask(
                    "completions", prompt=list(request.ids), logprobs=0, return_token_ids=True,
                    stop_token_ids=self._stop_ids, skip_special_tokens=False, **_options(sampling, request.seed),
                )  # fmt: skip
            except ContextFull as error:
                raise RlefError(
                    f"{self._base}: a dialogue is longer than the model's context; lower context"
                ) from error
            if not choice.get("token_ids"):
                raise RlefError(f"{self._base} returns no token ids; leave endpoint.tokenizer empty to exchange text")
            logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or ()
            return Sample(tuple(choice["token_ids"]), tuple(logprobs), None)

        pool = ThreadPoolExecutor(self._config.concurrency)
        try:
            return list(pool.map(sample, requests))
        finally:
            pool.shutdown(cancel_futures=True)

    def run(self, requests: Sequence[Request], sampling: Sampling, follow: Follow) -> None:
        """See `Engine.run`."""
        in_rounds(self.generate, requests, sampling, follow)

    def _only_model(self) -> str:
        data = self._send("get", "models")
        names = [str(one["id"]) for one in data.get("data") or () if isinstance(one, dict) and "id" in one]
        if len(names) != 1:
            there = ", ".join(names[:8]) or "no name"
            raise RlefError(f"{self._base} lists {there}; name one model with --endpoint.model")
        return names[0]

    def _ask(self, path: str, **body: Any) -> dict[str, Any]:
        data = self._send("post", path, json={"model": self._model, **body})
        choices = data.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise RlefError(f"{self._base}/{path}: the answer holds no choices; is this an OpenAI-compatible server?")
        return choices[0]

    def _send(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        import requests

        url = f"{self._base}/{path}"
        try:
            response = self._session.request(method, url, timeout=(10, self._config.timeout_s), **more)
        except requests.exceptions.RequestException as error:
            late = "Read timed out" in str(error)
            remedy = (
                "raise endpoint.timeout_s or lower endpoint.concurrency" if late else "start it or mend the address"
            )
            raise RlefError(f"{url}: no answer ({_line(str(error))}); {remedy}") from error
        if response.status_code in (401, 403):
            raise RlefError(f"{url}: the server wants a valid API key; set {KEY_VARIABLE}")
        if response.status_code == 404:
            raise RlefError(f"{url}: not found ({_line(response.text)}); mend the address or endpoint.model")
        if 400 <= response.status_code < 500 and _CONTEXT.search(response.text):
            raise ContextFull(_line(response.text))
        if not response.ok:
            raise RlefError(f"{url}: the server says {response.status_code}: {_line(response.text)}")
        try:
            data = response.json()
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise RlefError(f"{url}: the answer is no JSON object; is this an OpenAI-compatible server?")
        return data


def seed_number(seed: tuple[int, ...]) -> int:
    """A seed of several numbers as one of 31 bits, which every server takes."""
    return int.from_bytes(hashlib.sha256(repr(seed).encode()).digest()[:4], "big") >> 1


def _options(sampling: Sampling, seed: tuple[int, ...]) -> dict[str, Any]:
    options = {
        "temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_new_tokens,
        "seed": seed_number(seed),
    }  # fmt: skip
    # Not every server knows these, so they are sent only when they matter.
    more = {"top_k": sampling.top_k, "min_p": sampling.min_p, "stop": list(sampling.stop)}
    return options | {name: value for name, value in more.items() if value}


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
