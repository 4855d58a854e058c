"""Documents with many questions: the generator's own turns, but more of them about one story.

A lesson is not a document of the generator, since questions follow each other more often than there. What comes after a
question is: the answer depends on the context in the same way, and so do stories. Training on lessons counts these
tokens only (`train.py`), so the best model is still the generator's distribution.
"""

import random

import turns
from chat import BOS, Chat
from derivation import Derivation

LAST = 1_350
DRILLS = {"sums": 26, "gains": 26, "counting": 20, "more or less": 8, "sizes": 6, "tables": 8, "following": 6}


def story_lesson(chat):
    """A story, and questions about it until no more fit."""
    if chat.d.pick([True, False], [85, 15]):
        chat.tell()
    else:
        chat.answer(chat.told())
    while chat.facts and chat.d.length < LAST:
        chat.answer(chat.ask_story())


def facts_lesson(chat):
    """Stated facts, each time new ones."""
    while chat.d.length < LAST:
        chat.answer(chat.given_facts())


def drill(chat):
    """Small questions of all kinds."""
    while chat.d.length < LAST:
        kind = chat.d.pick(list(DRILLS), list(DRILLS.values()))
        chat.answer(turns.KINDS[kind](chat))


def lesson(number):
    """The text of lesson `number`."""
    derivation = Derivation(rng=random.Random(f"lesson {number}"))
    derivation.emit(BOS)
    chat = Chat(derivation)
    chat.system()
    derivation.pick([story_lesson, facts_lesson, drill], [60, 14, 26])(chat)
    return derivation.text
