"""Runs one training run to its end through many deaths: `python -m tests.rlef.killed RUN_FOLDER SEED DEATHS`.

Every life is a forked process that kills itself (SIGKILL) at a random one of its file operations in the run folder.
Prints a JSON list of what each life died at. The answers of the random model hold no program, so nothing is ever judged
and no sandbox is needed.
"""

import contextlib
import json
import os
import random
import signal
import sys
from pathlib import Path

import torch
import torch.utils.tensorboard  # here once, and not late in every life
from transformers import AutoTokenizer, LlamaForCausalLM  # noqa: F401

import rlef.train
from rlef.run import Run

EVENTS = {"open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree"}


class NoSandbox(contextlib.nullcontext):
    def __init__(self, slots):
        super().__init__(self)

    def protections(self):
        return {}


def live(folder, last, report):
    """Go on with the run; die at file operation number `last`, never for 0."""
    seen = 0

    def hook(event, arguments):
        nonlocal seen
        if event in EVENTS and str(folder) in str(arguments[0]):
            seen += 1
            if seen == last:
                os.write(report, f"{event} {Path(str(arguments[0])).name}".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    torch.set_num_threads(1)
    rlef.train.Sandbox = NoSandbox
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        rlef.train.train(Run.open(folder))


def main():
    folder, rng, deaths = Path(sys.argv[1]), random.Random(sys.argv[2]), int(sys.argv[3])
    causes = []
    while True:
        last = rng.randint(1, 80) if len(causes) < deaths else 0
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                live(folder, last, write)
                code = 0
            finally:
                os._exit(code)
        os.close(write)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as said:
            cause = said.read()
        if os.WIFSIGNALED(status):
            causes.append(cause)
        else:
            print(json.dumps(causes))
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
