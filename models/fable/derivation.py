"""Texts with exactly known probability: choices, and the search that proves how many derivations a text has.

A `Derivation` is a text in the making. Whoever writes it calls `pick` for every random choice and `emit` for every piece
of text; the text's log-probability is the sum over the choices. That is the probability of the *text* only if no other
sequence of choices leads to the same text, so `derivations_of` searches for all of them. The search is exhaustive and
nevertheless quick, because choices are made where they are first seen in the text: a wrong one is refuted by the next
piece.
"""

import math
import random


class Mismatch(Exception):
    """The choices so far lead to another text than the one that is explained."""


class Open(Exception):
    """The given choices are used up; the next one has `options` possibilities."""

    def __init__(self, options):
        super().__init__(options)
        self.options = options


class Derivation:
    """Samples with `rng`; or replays the choices in `script`, against the text `target`."""

    def __init__(self, rng=None, script=None, target=None):
        self._rng = rng
        self._script = script
        self._target = target
        self._pieces = []
        self.length = 0
        self.logp = 0.0
        self.choices = []
        self._lower_next = False

    def pick(self, options, weights=None):
        """One of `options`, uniformly or by weight."""
        if len(options) == 1:
            return options[0]
        if self._script is None:
            index = self._rng.choices(range(len(options)), weights)[0] if weights else self._rng.randrange(len(options))
        elif len(self.choices) < len(self._script):
            index = self._script[len(self.choices)]
        else:
            raise Open([i for i in range(len(options)) if weights is None or weights[i] > 0])
        self.choices.append(index)
        self.logp += math.log(weights[index] / sum(weights)) if weights else -math.log(len(options))
        return options[index]

    def discard(self, options):
        """Draw as `pick` would, where the text does not show the choice: later choices then do not depend on it."""
        if self._rng is not None:
            self._rng.randrange(len(options))

    def lower_next(self):
        """The next letter is written small."""
        self._lower_next = True

    def emit(self, text):
        """Append `text`."""
        if not text:
            return
        if self._lower_next:
            text = text[0].lower() + text[1:]
            self._lower_next = False
        if self._target is not None and not self._target.startswith(text, self.length):
            raise Mismatch
        self._pieces.append(text)
        self.length += len(text)

    @property
    def text(self):
        return "".join(self._pieces)


def sample(write, seed):
    """The derivation that `write` makes with the choices of `seed`."""
    derivation = Derivation(rng=random.Random(seed))
    write(derivation)
    return derivation


def derivations_of(write, text):
    """All derivations of `text`."""
    found = []
    stack = [[]]
    while stack:
        script = stack.pop()
        derivation = Derivation(script=script, target=text)
        try:
            write(derivation)
        except Mismatch:
            continue
        except Open as choice:
            stack.extend(script + [index] for index in choice.options)
            continue
        if derivation.length == len(text):
            found.append(derivation)
    return found
