"""Conversations: what people say to fable, and what it answers."""

import offtopic
import stories
import words

BOS, SYSTEM, USER, ASSISTANT, END, EOS = "<|bos|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|eos|>"
SPECIAL = [BOS, EOS, SYSTEM, USER, ASSISTANT, END]

ONE_WORD = "Answer in one word."
THEME = "Tell stories about "
NEUTRAL = ["You are fable, a small storyteller.", "You are a helpful assistant.", "Be kind and tell the truth."]

# Beyond this many characters a conversation ends; a new story is begun only before the other bound.
LAST_TURN, LAST_STORY = 1250, 480

REQUESTS = [
    "Tell me a story", "Tell me a short story", "Please tell me a story", "Can you tell me a story", "A story, please",
    "I want to hear a story", "Another story, please", "Tell me another story", "Once more, tell me a story", "Yes, please",
]  # fmt: skip
ABOUT = ["Tell me a story about ", "A story about ", "Please tell me a story about ", "Do you know a story about "]

NO_STORY = "I do not know. There is no story yet."
NOT_SAID = "The story does not say."
YOU_DID_NOT_SAY = "You did not say that."
TOO_LARGE = "I can only add and subtract small numbers."


QUESTION_WORDS = {"What", "Who", "How", "Where", "When", "Why", "Which", "Is", "Are", "Can", "Do"}


def sign_of(sentence):
    """The sign at the end of a sentence."""
    return "?" if sentence.split()[0] in QUESTION_WORDS else "."


class Chat:
    """A conversation in the making. With `reserve` it uses the reserved combinations, and those only."""

    def __init__(self, derivation, reserve=False):
        self.d = derivation
        self.reserve = reserve
        self.story = None
        self.facts = []
        self.one_word = False
        self.theme = None
        self.open = False

    def system(self):
        """The system prompt, in one conversation of five."""
        kind = self.d.pick(["none", "neutral", "one word", "theme"], [80, 6, 8, 6])
        if kind == "none":
            return
        self.d.emit(SYSTEM)
        if kind == "neutral":
            self.d.emit(self.d.pick(NEUTRAL))
        elif kind == "one word":
            self.one_word = True
            self.d.emit(ONE_WORD)
        else:
            self.d.emit(THEME)
            self.theme = self.d.pick(words.ANIMALS)
            self.d.emit(words.article(self.theme) + ".")
        self.d.emit(END)

    def user(self):
        """Begin a user's turn: with the last sign, without it, or without it and written small."""
        self.d.emit(USER)
        style = self.d.pick(["full", "open", "small"], [70, 18, 12])
        self.open = style != "full"
        if style == "small":
            self.d.lower_next()

    def stop(self, sign):
        """End a user's turn."""
        self.d.emit(END if self.open else sign + END)

    def answer(self, text):
        """A whole assistant's turn."""
        self.d.emit(ASSISTANT + text + END)

    def reply(self, long, short):
        """An answer, in the form that the system prompt asked for."""
        return short[0].upper() + short[1:] + "." if self.one_word else long

    def sentence(self, text):
        """Write a sentence, and end the turn with the sign that fits."""
        self.d.emit(text)
        self.stop(sign_of(text))

    def say(self, *pieces):
        """Each piece is a text, or a list to pick from."""
        for piece in pieces:
            self.d.emit(piece if isinstance(piece, str) else self.d.pick(piece))

    def other(self, options, *taken):
        """One of the options that are not taken."""
        return self.d.pick([option for option in options if option not in taken])

    # Stories

    def tell(self):
        """Ask for a story, and tell it."""
        given = {}
        kind = self.d.pick(["any", "animal", "name", "both", "home", "thing", "unknown"], [46, 16, 8, 8, 8, 8, 6])
        self.user()
        before = ""
        request = self.d.pick(REQUESTS if kind == "any" else ABOUT)
        self.d.emit(request)
        if kind != "any":
            before = self.subject(kind, given)
        self.stop(sign_of(request))
        if self.theme and "hero.animal" not in given:
            given["hero.animal"] = self.theme
        self.d.emit(ASSISTANT + before)
        self.begin(given)
        self.d.emit(END)

    def subject(self, kind, given):
        if kind == "unknown":
            what = self.d.pick(offtopic.UNKNOWN_HEROES)
            self.d.emit(what)
            return f"I know no story about {what}, but I know this one. "
        if kind == "name":
            given["hero"] = self.d.pick(words.NAMES)
            self.d.emit(given["hero"])
        elif kind == "thing":
            given["color"] = self.d.pick(words.COLORS)
            self.d.emit(words.article(given["color"]))
            given["thing"] = self.d.pick(words.THINGS)
            self.d.emit(" " + given["thing"])
        else:
            given["hero.animal"] = self.d.pick(words.ANIMALS)
            self.d.emit(words.article(given["hero.animal"]))
        if kind == "both":
            self.d.emit(" named ")
            given["hero"] = self.d.pick(words.NAMES)
            self.d.emit(given["hero"])
        if kind == "home":
            self.d.emit(" ")
            given["home"] = self.d.pick(list(words.PLACES))
            self.d.emit(words.PLACES[given["home"]])
        return ""

    def begin(self, given):
        self.story = stories.tell_story(self.d, given)
        self.facts = list(self.story.facts)

    def told(self):
        """The user tells a story, and asks."""
        self.user()
        self.begin({})
        self.d.emit(" ")
        return self.about_story()

    def about_story(self):
        """The rest of a user's turn, with a question about the story; returns the answer."""
        kind = self.d.pick(["fact", "animal", "color", "unknown"], [82, 5, 4, 9])
        s = self.story
        if kind == "fact":
            fact = self.d.pick(self.facts)
            self.facts.remove(fact)
            question = self.d.pick(fact.questions)
            self.d.emit(question[:-1])
            self.stop("?")
            return self.reply(fact.answer, fact.short)
        if kind == "animal":
            who = self.d.pick(s.people)
            name, animal = s.slots[who], s.slots[who + ".animal"]
            self.d.emit(f"Was {name} ")
            asked = self.yes_or_no(words.ANIMALS, animal)
            self.d.emit(words.article(asked))
            self.stop("?")
            rest = f"{name} was {words.article(animal)}."
            return self.reply(f"Yes, {rest}", "yes") if asked == animal else self.reply(f"No, {rest}", "no")
        if kind == "color":
            self.d.emit(f"Was the {s.slots['thing']} ")
            asked = self.yes_or_no(words.COLORS, s.slots["color"])
            self.d.emit(asked)
            self.stop("?")
            rest = f"the {s.slots['thing']} was {s.slots['color']}."
            return self.reply(f"Yes, {rest}", "yes") if asked == s.slots["color"] else self.reply(f"No, {rest}", "no")
        return self.unknown_in_story()

    def yes_or_no(self, options, true):
        return self.d.pick(options, [len(options) - 1 if option == true else 1 for option in options])

    def unknown_in_story(self):
        names = [self.story.slots[who] for who in self.story.people]
        kind = self.d.pick(["thing", "where", "animal"])
        if kind == "thing":
            self.say(["Who lost the ", "Who found the ", "Who made the ", "Who had the ", "What color was the "])
            self.d.emit(self.other(words.THINGS, self.story.slots["thing"]))
        elif kind == "where":
            self.d.emit("Where did ")
            self.d.emit(self.other(words.NAMES, *names))
            self.d.emit(" live")
        else:
            self.d.emit("What kind of animal was ")
            self.d.emit(self.other(words.NAMES, *names))
        self.stop("?")
        return NOT_SAID

    def ask_story(self):
        """A question about the story told before."""
        self.user()
        return self.about_story()

    def ask_without_story(self):
        """A question about a story when there is none."""
        self.user()
        self.say(
            ["Who lost the ", "Who found the ", "Who made the ", "Who had the ", "What color was the "], words.THINGS
        )
        self.stop("?")
        return NO_STORY

    # Facts in the question

    def given_facts(self):
        """The user states a few facts, and asks."""
        self.user()
        people = []
        for index in range(4):
            if index >= 2 and not self.d.pick([True, False]):
                break
            people.append(self.statement(people))
            self.d.emit(" ")
        if self.d.pick([False, True], [93, 7]):
            self.d.emit("What does ")
            self.d.emit(self.other(words.NAMES, *(p[0] for p in people)))
            self.d.emit(" have")
            answer = YOU_DID_NOT_SAY
        else:
            answer = self.about_fact(*self.d.pick(people))
        self.stop("?")
        return answer

    def statement(self, people):
        name = self.other(words.NAMES, *(p[0] for p in people))
        self.d.emit(name)
        kind = self.d.pick(["has", "likes", "at", "is"])
        taken = [p[2] for p in people]
        color = None
        if kind == "has":
            self.d.emit(" has ")
            color = self.d.pick(words.COLORS)
            self.d.emit(words.article(color))
            value = self.other(words.THINGS, *taken)
            self.d.emit(f" {value}.")
        elif kind == "likes":
            value = self.other(words.FOODS, *taken)
            self.d.emit(f" likes {value}.")
        elif kind == "at":
            value = self.other(list(words.PLACES), *taken)
            self.d.emit(f" is {words.PLACES[value]}.")
        else:
            value = self.other(words.ANIMALS, *taken)
            self.d.emit(f" is {words.article(value)}.")
        return (name, kind, value, color)

    def about_fact(self, name, kind, value, color):
        if kind == "has":
            full = f"{words.article(color)} {value}"
            forms = [
                (f"Who has the {value}", f"{name} has the {value}.", name),
                (f"Who has the {color} {value}", f"{name} has the {value}.", name),
                (f"What does {name} have", f"{name} has {full}.", full),
                (f"What color is the {value}", f"The {value} is {color}.", color),
                (f"What color is {name}'s {value}", f"{name}'s {value} is {color}.", color),
            ]
        elif kind == "likes":
            forms = [
                (f"Who likes {value}", f"{name} likes {value}.", name),
                (f"What does {name} like", f"{name} likes {value}.", value),
            ]
        elif kind == "at":
            where = words.PLACES[value]
            forms = [
                (f"Who is {where}", f"{name} is {where}.", name),
                (f"Where is {name}", f"{name} is {where}.", where),
            ]
        else:
            forms = [
                (f"Who is the {value}", f"The {value} is {name}.", name),
                (f"What animal is {name}", f"{name} is {words.article(value)}.", words.article(value)),
            ]
        question, long, short = self.d.pick(forms)
        self.d.emit(question)
        return self.reply(long, short)
