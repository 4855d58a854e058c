"""Six plots. A story makes its choices where they are first told, and remembers them as facts to be asked for."""

import re

import words

SLOT = re.compile(r"\{([^}]*)\}")
ARE_PICKED = {
    "weather": words.WEATHERS,
    "time": words.TIMES,
    "filler": words.FILLERS,
    "spot": words.SPOTS,
    "trap": words.TRAPS,
    "drink": words.DRINKS,
    "mender": words.MENDERS,
    "dance": words.DANCES,
    "food": words.FOODS,
}
CAST = {"hero", "friend", "third"}
PLACE_SLOTS = {"home", "place", "goal"}


class Fact:
    """Something that can be asked: phrasings of the question, the answer, and the answer in a word."""

    def __init__(self, questions, answer, short):
        self.questions = questions
        self.answer = answer
        self.short = short


class Story:
    """A story in the making. `given` fixes slots beforehand, for example `{"hero.animal": "fox"}`."""

    def __init__(self, derivation, given=None):
        self.d = derivation
        self.slots = dict(given or {})
        self.facts = []
        self.people = []

    def value(self, slot):
        """The value of a slot; picked when it is first asked for, different from others of its kind."""
        if slot not in self.slots:
            self.slots[slot] = self.d.pick(self._options(slot))
        return self.slots[slot]

    def _options(self, slot):
        part = slot.split(".")[-1]
        if slot in CAST:
            return self._unused(words.NAMES, CAST)
        if part == "animal":
            return self._unused(words.ANIMALS, {f"{who}.animal" for who in CAST})
        if part == "trait":
            return words.TRAITS
        if part == "color":
            return words.COLORS
        if part == "thing":
            return words.THINGS
        if slot in PLACE_SLOTS:
            return self._unused(list(words.PLACES), PLACE_SLOTS)
        return ARE_PICKED[slot]

    def _unused(self, options, slots):
        taken = {self.slots[slot] for slot in slots if slot in self.slots}
        return [option for option in options if option not in taken]

    def number(self, slot, low, high):
        """Fix a slot to a number from `low` to `high`; call it right before the slot is told."""
        self.slots[slot] = self.d.pick(list(range(low, high + 1)))
        return self.slots[slot]

    def tell(self, *variants):
        """Tell one of the variants."""
        self._write(self.d.pick(variants))

    def _write(self, template):
        for index, piece in enumerate(SLOT.split(template)):
            if index % 2 == 0:
                self.d.emit(piece)
            else:
                self._write_slot(piece)

    def _write_slot(self, slot):
        base, _, form = slot.partition(".")
        if form == "kind":
            self.d.emit("a " + self.value(base + ".trait"))
            self.d.emit(" " + self.value(base + ".animal"))
        elif form == "a" and base == "thing":
            self.d.emit(words.article(self.value("color")))
            self.d.emit(" " + self.value("thing"))
        elif form == "full":
            self.d.emit(self.value("color"))
            self.d.emit(" " + self.value("thing"))
        elif form == "a":
            self.d.emit(words.article(self.value(base + ".animal")))
        elif form == "at":
            self.d.emit(words.PLACES[self.value(base)])
        elif form in ("he", "his", "him"):
            self.d.emit(self.pronoun(base, form))
        elif form in ("He", "His"):
            self.d.emit(self.pronoun(base, form.lower()).capitalize())
        else:
            self.d.emit(str(self.value(slot)))

    def pronoun(self, who, form):
        girl = self.value(who) in words.GIRLS
        return {"he": "she", "his": "her", "him": "her"}[form] if girl else form

    def text(self, template):
        """A template whose slots are all known, as text."""

        def known(match):
            slot = match.group(1)
            base, _, form = slot.partition(".")
            if form == "a" and base == "thing":
                return f"{words.article(self.slots['color'])} {self.slots['thing']}"
            if form == "full":
                return f"{self.slots['color']} {self.slots['thing']}"
            if form == "a":
                return words.article(self.slots[base + ".animal"])
            if form == "at":
                return words.PLACES[self.slots[base]]
            if form in ("he", "his", "him"):
                return self.pronoun(base, form)
            return str(self.slots[slot])

        return SLOT.sub(known, template)

    def fact(self, questions, answer, short):
        """Remember a fact; templates are filled in now."""
        self.facts.append(Fact([self.text(q) for q in questions], self.text(answer), self.text(short)))

    def meet(self, who):
        """Facts about somebody who was introduced."""
        self.people.append(who)
        self.fact(
            [f"What kind of animal was {{{who}}}?", f"What animal was {{{who}}}?"],
            f"{{{who}}} was {{{who}.a}}.",
            f"{{{who}.a}}",
        )
        self.fact([f"Who was the {{{who}.animal}}?"], f"The {{{who}.animal}} was {{{who}}}.", f"{{{who}}}")
        if f"{who}.trait" in self.slots:
            self.fact([f"What was {{{who}}} like?"], f"{{{who}}} was {{{who}.trait}}.", f"{{{who}.trait}}")

    def about_thing(self):
        self.fact(
            ["What color was the {thing}?", "Which color did the {thing} have?"],
            "The {thing} was {color}.",
            "{color}",
        )

    def moral(self, *morals):
        """The last sentence."""
        moral = self.d.pick(morals)
        self.d.emit(moral + ".")
        self.fact(
            ["What is the moral of the story?", "What does the story teach?"],
            f"The story teaches that {moral}.",
            moral,
        )


def opening(s):
    """Hero and friend."""
    s.tell(
        "Once upon a time there was {hero.kind} named {hero}. {hero.He} lived {home.at}.",
        "In a small house {home.at} lived {hero.kind} named {hero}.",
        "There once was {hero.kind} named {hero}, who lived {home.at}.",
    )
    s.meet("hero")
    s.fact(["Where did {hero} live?"], "{hero} lived {home.at}.", "{home.at}")
    s.tell(
        " {hero.His} best friend was {friend.a} named {friend}.",
        " {hero.He} had a friend named {friend}, {friend.a}.",
    )
    s.meet("friend")


def lost(s):
    opening(s)
    s.tell(" One {weather} {time}", " On a {weather} {time}")
    s.tell(", {hero} lost {hero.his} {thing.full}.", ", {hero} could not find {hero.his} {thing.full}.")
    s.tell(
        " {hero.He} looked {place.at}, but found only {filler}.",
        " {hero.He} searched {place.at} and saw nothing but {filler}.",
    )
    s.tell(" {hero.He} sat down and cried.", " {hero.He} was very sad.")
    s.tell(' "I will help you," said {friend}.', ' Then {friend} came and said, "Let us look together."')
    s.tell(" They went on, and ")
    finder, other = s.d.pick([("hero", "friend"), ("friend", "hero")])
    s.slots["finder"], s.slots["other"] = s.value(finder), s.value(other)
    s.tell("{finder} found the {thing} {goal.at}, under {spot}.")
    s.tell(' {hero} laughed and said, "Thank you, {friend}!"', " {hero} danced for joy and thanked {friend}.")
    s.number("n", 2, 9)
    s.tell(" They ate {n} {food} and went home.", " At home they shared {n} {food}.")
    s.tell(" {hero} learned that ")
    s.moral("a friend makes every search shorter", "four eyes see more than two")
    s.about_thing()
    s.fact(["Who lost the {thing.full}?", "Who lost the {thing}?"], "{hero} lost the {thing}.", "{hero}")
    s.fact(["Who found the {thing.full}?", "Who found the {thing}?"], "{finder} found the {thing}.", "{finder}")
    s.fact(["What did {hero} lose?"], "{hero} lost {thing.a}.", "{thing.a}")
    s.fact(["Where was the {thing}?", "Where did they find the {thing}?"], "The {thing} was {goal.at}.", "{goal.at}")
    s.fact(["What was the {thing} under?"], "The {thing} was under {spot}.", "{spot}")
    s.fact(["Where did {hero} look first?"], "{hero} looked {place.at}.", "{place.at}")
    s.fact(["What did {hero} find {place.at}?"], "{hero} found only {filler}.", "{filler}")
    s.fact(["What did they eat?"], "They ate {food}.", "{food}")
    s.fact(["How many {food} did they eat?"], "They ate {n} {food}.", "{n}")


def share(s):
    opening(s)
    s.tell(" One {weather} {time}", " On a {weather} {time}")
    n = s.number("n", 3, 9)
    s.tell(", {hero} picked {n} {food} {place.at}.", ", {hero} found {n} {food} {place.at}.")
    s.tell(
        " On the way home {hero.he} met {friend}, who had nothing to eat.",
        " There {hero.he} met {friend}, who was very hungry.",
    )
    k = s.number("k", 1, n - 1)
    s.slots["left"] = n - k
    s.slots["given"] = words.count_of(k, s.value("food"))
    s.slots["were"] = "were" if n - k > 1 else "was"
    s.slots["rest"] = words.count_of(n - k, s.value("food"))
    s.tell(" {hero} gave {friend} {given} and kept {rest}.", " {hero} gave away {given}, and {rest} {were} left.")
    s.tell(" They sat down and ate together.", " They ate slowly and talked a lot.")
    s.tell(" The next day {friend} brought {hero} {thing.a}.", " A day later {friend} came with {thing.a} for {hero}.")
    s.tell(' "This is for you," said {friend}.', ' "You were kind to me," said {friend}.')
    s.tell(" {hero} learned that ")
    s.moral("what you share comes back to you", "a shared meal tastes best")
    s.about_thing()
    s.fact(["How many {food} did {hero} find?"], "{hero} found {n} {food}.", "{n}")
    s.fact(["How many {food} did {friend} get?"], "{friend} got {given}.", "{k}")
    s.fact(["How many {food} did {hero} keep?"], "{hero} kept {rest}.", "{left}")
    s.fact(["What did {hero} find?"], "{hero} found {food}.", "{food}")
    s.fact(["Who was hungry?"], "{friend} was hungry.", "{friend}")
    s.fact(["What did {friend} bring?"], "{friend} brought {thing.a}.", "{thing.a}")
    s.fact(["Who got the {thing.full}?", "Who got the {thing}?"], "{hero} got the {thing}.", "{hero}")
    s.fact(["Where were the {food}?"], "The {food} were {place.at}.", "{place.at}")


def race(s):
    opening(s)
    s.tell(" One {weather} {time}", " On a {weather} {time}")
    s.tell(" they ran a race to the {place}.", " they wanted to know who was faster and ran to the {place}.")
    s.tell(" The prize was {thing.a}.", " The winner was to get {thing.a}.")
    s.tell(
        " On the way they saw {third.a} named {third}, who had fallen into {trap}.",
        " Then {third.a} named {third} fell into {trap} and called for help.",
    )
    s.meet("third")
    s.tell(" ")
    helper, winner = s.d.pick([("hero", "friend"), ("friend", "hero")])
    s.slots["helper"], s.slots["winner"] = s.value(helper), s.value(winner)
    s.tell("{helper} stopped and pulled {third} out.", "{helper} turned back and helped {third}.")
    s.tell(" So {winner} won the race and got the {thing}.", " {winner} ran on and won the {thing}.")
    s.tell(" But all the animals cheered for {helper}.", ' "You are the true winner," said {third} to {helper}.')
    s.tell(
        " In the end {winner} gave the {thing} to {third}.",
        " Then {winner} was ashamed and gave the {thing} to {helper}.",
    )
    s.tell(" They all learned that ")
    s.moral("helping is better than winning", "a kind heart is worth more than fast feet")
    s.about_thing()
    s.fact(["Who won the race?"], "{winner} won the race.", "{winner}")
    s.fact(["Who helped {third}?"], "{helper} helped {third}.", "{helper}")
    s.fact(["What was the prize?"], "The prize was {thing.a}.", "{thing.a}")
    s.fact(["Where did they run?"], "They ran to the {place}.", "to the {place}")
    s.fact(["Who needed help?"], "{third} needed help.", "{third}")
    s.fact(["Who fell into {trap}?"], "{third} fell into {trap}.", "{third}")
    s.fact(["What did {third} fall into?"], "{third} fell into {trap}.", "{trap}")


def storm(s):
    opening(s)
    s.tell(
        " One {time} a storm came, and {friend} did not come home.",
        " One {time} there was a great storm, and {friend} was still away.",
    )
    s.tell(
        " {hero} was afraid, but {hero.he} took {thing.a} and went out.",
        " {hero} took {thing.a} and walked into the rain.",
    )
    s.tell(" {hero.He} looked {place.at}, but nobody was there.", " Nobody was {place.at}.")
    s.tell(
        " At last {hero.he} found {friend} {goal.at}, under {spot}.",
        " Then {hero.he} heard a voice {goal.at}: {friend} was hiding under {spot}.",
    )
    s.tell(' "You came!" said {friend}.', ' "I knew that you would come," said {friend}.')
    s.tell(" They went home and drank {drink}.", " At home they sat by the fire and drank {drink}.")
    s.tell(" {hero} learned that ")
    s.moral("being brave means to go on when you are afraid", "no storm is stronger than a friend")
    s.about_thing()
    s.fact(["What did {hero} take?"], "{hero} took {thing.a}.", "{thing.a}")
    s.fact(["Who took the {thing.full}?", "Who took the {thing}?"], "{hero} took the {thing}.", "{hero}")
    s.fact(["Where was {friend}?"], "{friend} was {goal.at}.", "{goal.at}")
    s.fact(["Where did {hero} look first?"], "{hero} looked {place.at}.", "{place.at}")
    s.fact(["What did they drink?"], "They drank {drink}.", "{drink}")
    s.fact(["Who did not come home?", "Who was away in the storm?"], "{friend} was away in the storm.", "{friend}")
    s.fact(["What was {friend} under?"], "{friend} was under {spot}.", "{spot}")


def truth(s):
    opening(s)
    s.tell(" {friend} had {thing.a} and loved it very much.", " {friend} had {thing.a}, the finest of all.")
    s.tell(" One {weather} {time}", " On a {weather} {time}")
    s.tell(
        " {hero} played with the {thing} {place.at} and broke it.",
        " {hero} dropped the {thing} {place.at}, and it broke.",
    )
    s.tell(
        " {hero.He} hid the pieces under {spot} and said nothing.",
        " Nobody saw it, so {hero.he} hid the pieces under {spot}.",
    )
    s.tell(" But at night {hero.he} could not sleep.", " But {hero.he} felt bad all day long.")
    s.tell(
        " In the end {hero} went to {friend} and told the truth.",
        ' "I broke it, and I am sorry," {hero} told {friend} at last.',
    )
    s.tell(" {friend} was sad at first, but then {friend.he} smiled.", ' "Thank you for telling me," said {friend}.')
    s.tell(" Together they mended the {thing} with {mender}.", " They took some {mender} and mended the {thing}.")
    s.tell(" {hero} learned that ")
    s.moral("the truth makes the heart light", "a true word mends more than glue")
    s.about_thing()
    s.fact(["Who broke the {thing.full}?", "Who broke the {thing}?"], "{hero} broke the {thing}.", "{hero}")
    s.fact(["What did {hero} break?"], "{hero} broke {thing.a}.", "{thing.a}")
    s.fact(["Whose {thing} was it?", "Who had the {thing.full}?"], "The {thing} was {friend}'s.", "{friend}'s")
    s.fact(["Where did the {thing} break?"], "The {thing} broke {place.at}.", "{place.at}")
    s.fact(["What were the pieces under?"], "The pieces were under {spot}.", "{spot}")
    s.fact(["What did they mend the {thing} with?"], "They mended the {thing} with {mender}.", "{mender}")
    s.fact(["Who told the truth?"], "{hero} told the truth.", "{hero}")


def birthday(s):
    opening(s)
    s.number("n", 3, 9)
    s.tell(
        " One {weather} {time} {friend} turned {n} years old.", " On a {weather} {time} {friend} became {n} years old."
    )
    s.tell(
        " {hero} had no money for a present, so {hero.he} made {thing.a}.",
        " {hero} worked all night and made {thing.a}.",
    )
    s.tell(" A guest came, too: {third}, {third.a}", " They also invited {third}, {third.a}")
    s.meet("third")
    s.number("k", 2, 9)
    s.tell(", who brought {k} {food}.", ", with {k} {food}.")
    s.tell(" {friend} loved the {thing} most of all.", ' "I love this {thing}," said {friend}.')
    s.tell(" They {dance} {place.at} until the moon came up.", " Then they {dance} {place.at} until night.")
    s.tell(" {hero} learned that ")
    s.moral("a present from the heart is the best one", "love cannot be bought")
    s.about_thing()
    s.fact(["Who had a birthday?"], "{friend} had a birthday.", "{friend}")
    s.fact(["How old was {friend}?"], "{friend} was {n} years old.", "{n}")
    s.fact(["What did {hero} make?"], "{hero} made {thing.a}.", "{thing.a}")
    s.fact(["Who made the {thing.full}?", "Who made the {thing}?"], "{hero} made the {thing}.", "{hero}")
    s.fact(["What did {third} bring?"], "{third} brought {food}.", "{food}")
    s.fact(["How many {food} did {third} bring?"], "{third} brought {k} {food}.", "{k}")
    s.fact(["Who brought the {food}?"], "{third} brought the {food}.", "{third}")
    s.fact(["Where was the party?"], "The party was {place.at}.", "{place.at}")


PLOTS = [lost, share, race, storm, truth, birthday]


def tell_story(derivation, given=None):
    """Write one story; the answerable facts are in `facts` of what is returned."""
    story = Story(derivation, given)
    derivation.pick(PLOTS)(story)
    story.slots["count"] = len(story.people)
    story.fact(["How many animals are in the story?"], "There are {count} animals in the story.", "{count}")
    return story
