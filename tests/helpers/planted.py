"""Cases with planted faults, for the test that the harness of the fuzz program finds each of them."""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from experiments.fuzz import harness
from experiments.fuzz.cases import Case, check
from nst.errors import UserError


def _refuse():
    raise UserError("photo.jpg: not a picture; give another")


def _spin():
    while True:
        pass


def _hog():
    blocks = []
    while True:
        blocks.append(b"x" * 10**7)


CASES = {
    "accepted": lambda: None,
    "refused": _refuse,
    "traceback": lambda: [][0],
    "traceback of exit": lambda: sys.exit(0),
    "traceback without memory": lambda: bytearray(10**18),
    "wrong": partial(check, False, "mistaken"),
    "hang": partial(time.sleep, 60),
    "hang of a loop": _spin,
    "hang of a child": lambda: os.system("sleep 60"),
    "memory": _hog,
    "memory given back": lambda: len(b"x" * 250_000_000),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "crash of exit": partial(os._exit, 0),
}


def main(folder: str) -> None:
    tasks = [
        harness.Task(name, Path(folder) / str(number), partial(Case, name, act))
        for number, (name, act) in enumerate(CASES.items())
    ]
    limits = harness.Limits(seconds=0.5, bytes=200_000_000)
    found = {}
    for outcome in harness.run(tasks, limits, 4, lambda outcome: False):
        found[outcome.name] = [outcome.verdict, outcome.label, outcome.detail]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
