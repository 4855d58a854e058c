"""Write the 200 questions with their right answers.

    python fable/questions.py            # writes fable/questions.json

Stories and facts are new ones (there are about 10^17 stories); sums, comparisons and table questions
use combinations that `words.reserved` keeps out of all documents. An answer is right if it equals the expected one after
normalisation: lower case, everything but letters, digits and spaces removed, runs of spaces made one, ends trimmed.
"""

import json
import pathlib
import random
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import chat  # noqa: E402
import turns  # noqa: E402
from derivation import Derivation  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent / "questions.json"
FIRST = 500_000
ROLES = {chat.SYSTEM: "system", chat.USER: "user", chat.ASSISTANT: "assistant"}
TURN = re.compile(r"(<\|system\|>|<\|user\|>|<\|assistant\|>)(.*?)<\|end\|>", re.S)


def ask_about_story(c):
    c.tell()
    return c.ask_story()


def of_kind(kind):
    return lambda c: turns.KINDS[kind](c)


COUNTS = {
    "story": (ask_about_story, 110),
    "facts": (of_kind("facts"), 30),
    "gains": (of_kind("gains"), 15),
    "sums": (of_kind("sums"), 12),
    "counting": (of_kind("counting"), 12),
    "more or less": (of_kind("more or less"), 8),
    "sizes": (of_kind("sizes"), 8),
    "tables": (of_kind("tables"), 5),
}


def messages_of(text):
    """The turns of a text with marks."""
    return [{"role": ROLES[mark], "content": content} for mark, content in TURN.findall(text)]


def normalized(answer):
    """The form in which answers are compared."""
    kept = "".join(c for c in answer.lower() if c.isalnum() or c == " ")
    return " ".join(kept.split())


def main():
    questions, seen, number = [], set(), FIRST
    for kind, (ask, count) in COUNTS.items():
        made = 0
        while made < count:
            derivation = Derivation(rng=random.Random(number))
            number += 1
            try:
                answer = ask(chat.Chat(derivation, reserve=True))
            except turns.NothingReserved:
                continue
            if derivation.text in seen:
                continue
            seen.add(derivation.text)
            questions.append({"kind": kind, "messages": messages_of(derivation.text), "answer": answer})
            made += 1
    OUT.write_text("[\n" + ",\n".join(json.dumps(q) for q in questions) + "\n]\n")
    print(f"{len(questions)} questions")


if __name__ == "__main__":
    main()
