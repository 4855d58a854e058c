"""A list of cases that run one after the other: one printed line for each, and a count."""

import json
import os
import re
import sys
import traceback
from pathlib import Path

BASE_URL = os.environ["COMPAT_BASE_URL"]
API_KEY = os.environ["COMPAT_API_KEY"]
EXPECT = json.loads((Path(__file__).parent.parent / "expect.json").read_text())
MODEL = EXPECT["model"]

# A receipt id: a UUID version 7 in lower case.
RECEIPT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Suite:
    """Cases of one client. A case that returns has passed; one that raises has failed."""

    def __init__(self, client: str):
        self.client = client
        self.cases = []

    def case(self, name: str):
        def register(function):
            self.cases.append((name, function))
            return function

        return register

    def run(self) -> int:
        failed = 0
        for name, function in self.cases:
            try:
                function()
            except Exception:
                failed += 1
                print(f"FAIL {self.client:<18} {name}")
                trace = traceback.format_exc(limit=-3, chain=False).strip()
                print("     " + trace.replace("\n", "\n     "))
            else:
                print(f"ok   {self.client:<18} {name}")
            sys.stdout.flush()
        return 1 if failed else 0


def equal(got, expected, what: str = "value"):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


def true(condition, what: str):
    if not condition:
        raise AssertionError(what)


def raises(kind, function):
    """The exception of this class that the function raises."""
    try:
        function()
    except Exception as error:
        if isinstance(error, kind):
            return error
        raise AssertionError(f"expected {kind.__name__}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"expected {kind.__name__}, nothing was raised")


def receipt_id(text: str) -> str:
    """The receipt id in `chatcmpl-<id>` or in a bare id."""
    bare = text.removeprefix("chatcmpl-").removeprefix("cmpl-")
    true(RECEIPT_ID.fullmatch(bare), f"no receipt id: {text!r}")
    return bare
