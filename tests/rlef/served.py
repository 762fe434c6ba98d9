"""Servers for tests: transformers' own for text, and a small one around the engine for token ids and for bad days."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests


@contextlib.contextmanager
def transformers_serve(model, log):
    """`transformers serve` with this model; its base address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).parent / "transformers", "serve", model, "--port", str(port)]
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            while process.poll() is None:
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
                    break
                time.sleep(0.2)
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


class TokenServer:
    """Completions of token ids by an engine, one request at a time. `trouble` holds answers to give before: (status,
    headers, body), or a number of seconds to say nothing."""

    def __init__(self, engine=None):
        self.trouble, self.bodies, self.keys = [], [], []
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *words):
                pass

            def answer(self, status, headers, body):
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": len(data), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(data)

            def do_GET(self):
                outer.keys.append(self.headers.get("Authorization"))
                self.answer(200, {}, {"data": [{"id": "tiny"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.bodies.append(body)
                    trouble = outer.trouble.pop(0) if outer.trouble else None
                    if isinstance(trouble, tuple):
                        return self.answer(*trouble)
                    if trouble:
                        time.sleep(trouble)
                    return self.answer(200, {}, outer.complete(engine, body))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @staticmethod
    def complete(engine, body):
        """What vLLM says to the same request, as far as it is used."""
        from rlef.policies.interface import Request, Sampling

        if "messages" in body:
            return {"choices": [{"message": {"role": "assistant", "content": body["messages"][-1]["content"]}}]}
        sampling = Sampling(body["temperature"], body["top_p"], body["max_tokens"])
        [sample] = engine.generate([Request((0,), body["prompt"], (body["seed"],))], sampling)
        return {"choices": [{"token_ids": sample.ids, "logprobs": {"token_logprobs": sample.logprobs}}]}

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()
