"""Small questions (numbers, comparisons, counting, tables), and how a conversation goes on."""

import offtopic
import stories
import words
from chat import BOS, EOS, LAST_STORY, LAST_TURN, TOO_LARGE, Chat, sign_of
from words import article, count_of, plural, reserved


class NothingReserved(Exception):
    """No option that completes this question is reserved."""


def free(chat, options, *parts):
    """Pick one of the options, each completing `parts`: reserved ones for questions, the others for documents."""
    usable = [option for option in options if reserved(*parts, option) == chat.reserve]
    if not usable:
        raise NothingReserved
    return chat.d.pick(usable)


def free_pair(chat, kind, firsts, seconds_of):
    """Pick a first value, write it, and prepare a second one. `seconds_of` lists the values that go with a first."""
    usable = [a for a in firsts if any(reserved(kind, a, b) == chat.reserve for b in seconds_of(a))]
    first = chat.d.pick(usable)
    return first, lambda: free(chat, seconds_of(first), kind, first)


def sums(chat):
    chat.user()
    kind = chat.d.pick(["plus", "minus"])
    before, signs = chat.d.pick([("What is ", [kind]), ("What is ", ["sign"]), ("How much is ", [kind])])
    sign = kind if signs == [kind] else None
    chat.d.emit(before)
    seconds = (lambda a: list(range(11))) if kind == "plus" else (lambda a: list(range(a + 1)))
    a, second = free_pair(chat, kind, range(11 if kind == "plus" else 21), seconds)
    chat.d.emit(str(a))
    if sign:
        chat.d.emit(f" {sign} ")
    else:
        chat.d.emit(chat.d.pick([" + ", "+"] if kind == "plus" else [" - ", "-"]))
    b = second()
    chat.d.emit(str(b))
    chat.stop("?")
    result = a + b if kind == "plus" else a - b
    return chat.reply(f"{a} {kind} {b} is {result}.", str(result))


def large_sums(chat):
    chat.user()
    chat.say("What is ")
    kind = chat.d.pick(["large", "times"])
    if kind == "large":
        big_number(chat)
        chat.say([" plus ", " minus ", " times ", " + ", " * "])
        big_number(chat)
    else:
        chat.d.emit(str(chat.d.pick(range(2, 21))))
        chat.say([" times ", " divided by ", " * "])
        chat.d.emit(str(chat.d.pick(range(2, 21))))
    chat.stop("?")
    return TOO_LARGE


def big_number(chat):
    chat.d.emit(chat.d.pick("3456789"))
    for index in range(3):
        chat.d.emit(chat.d.pick("0123456789"))
        if index < 2 and chat.d.pick([True, False]):
            break


def gains(chat):
    chat.user()
    who = chat.d.pick(words.NAMES)
    chat.d.emit(f"{who} has ")
    kind = chat.d.pick(["plus", "minus"])
    if kind == "plus":
        n, second = free_pair(chat, "plus", range(1, 11), lambda a: list(range(1, 11)))
    else:
        n, second = free_pair(chat, "minus", range(2, 21), lambda a: list(range(1, a)))
    food = chat.d.pick(words.FOODS)
    chat.d.emit(count_of(n, food))
    if kind == "plus":
        chat.d.emit(". ")
        giver = chat.other(words.NAMES, who)
        chat.d.emit(f"{giver} gives {'her' if who in words.GIRLS else 'him'} ")
        k = second()
        he = "she" if who in words.GIRLS else "he"
        chat.d.emit(f"{k} more. How many {food} does {he} have now")
        chat.stop("?")
        return chat.reply(f"{who} has {n + k} {food} now.", str(n + k))
    chat.d.emit(" and eats ")
    k = second()
    chat.d.emit(f"{k}. How many {food} are left")
    chat.stop("?")
    return chat.reply(f"{count_of(n - k, food)} {'is' if n - k == 1 else 'are'} left.", str(n - k))


def more_or_less(chat):
    chat.user()
    kind = chat.d.pick(["more", "less"])
    chat.d.emit(f"Which is {kind}, ")
    a, second = free_pair(chat, kind, range(21), lambda a: [b for b in range(21) if b != a])
    chat.d.emit(f"{a} or ")
    b = second()
    chat.d.emit(str(b))
    chat.stop("?")
    high, low = max(a, b), min(a, b)
    first, last = (high, low) if kind == "more" else (low, high)
    return chat.reply(f"{first} is {kind} than {last}.", str(first))


def sizes(chat):
    chat.user()
    kind = chat.d.pick(["bigger", "smaller"])
    chat.d.emit(f"Which is {kind}, ")
    a, second = free_pair(chat, kind, words.BY_SIZE, lambda a: [b for b in words.BY_SIZE if b != a])
    chat.d.emit(f"{article(a)} or ")
    b = second()
    chat.d.emit(article(b))
    chat.stop("?")
    first, last = sorted([a, b], key=words.BY_SIZE.index, reverse=kind == "bigger")
    return chat.reply(f"{article(first).capitalize()} is {kind} than {article(last)}.", article(first))


def counting(chat):
    chat.user()
    chat.d.emit("I see ")
    seen, last = [], False
    for index in range(6):
        known = set(seen)
        new = len(words.ANIMALS) - len(known)
        weights = [60 * new if a in known else 40 * len(known) for a in words.ANIMALS] if seen else None
        seen.append(chat.d.pick(words.ANIMALS, weights))
        chat.d.emit(article(seen[-1]))
        if index >= 1 and (last or index == 5):
            break
        last = index == 4 or (index >= 1 and chat.d.pick([True, False], [40, 60]))
        chat.d.emit(" and " if last else ", ")
    chat.d.emit(". How many ")
    asked = chat.d.pick(sorted(set(seen)))
    count = seen.count(asked)
    chat.d.emit(f"{plural(asked)} do I see")
    chat.stop("?")
    return chat.reply(f"You see {count} {plural(asked) if count > 1 else asked}.", str(count))


def following(chat):
    chat.user()
    chat.d.emit("What ")
    if chat.d.pick([True, False]):
        chat.d.emit("number comes ")
        side = chat.d.pick(["after", "before"])
        n = chat.d.pick(range(20)) if side == "after" else chat.d.pick(range(1, 21))
        chat.d.emit(f"{side} {n}")
        chat.stop("?")
        found = n + 1 if side == "after" else n - 1
        return chat.reply(f"{found} comes {side} {n}.", str(found))
    chat.d.emit("day comes ")
    side = chat.d.pick(["after", "before"])
    day = chat.d.pick(words.DAYS)
    chat.d.emit(f"{side} {day}")
    chat.stop("?")
    found = words.DAYS[(words.DAYS.index(day) + (1 if side == "after" else -1)) % 7]
    return chat.reply(f"{found} comes {side} {day}.", found)


def count_up(chat):
    chat.user()
    chat.d.emit("Count to ")
    n = chat.d.pick(range(2, 16))
    chat.d.emit(str(n))
    chat.stop(".")
    return ", ".join(str(i) for i in range(1, n + 1)) + "."


def tables(chat):
    chat.user()
    kind = chat.d.pick(["color", "sound", "opposite"])
    if kind == "color":
        form = chat.d.pick(["What color is ", "Which color is ", "What is the color of "])
        chat.d.emit(form)
        what = free(chat, list(words.COLOR_OF), "color", form)
        chat.d.emit(what)
        color = words.COLOR_OF[what]
        answer = chat.reply(f"{what[0].upper()}{what[1:]} is {color}.", color)
    elif kind == "sound":
        before, after = chat.d.pick(
            [("What does ", " say"), ("Which sound does ", " make"), ("What noise does ", " make")]
        )
        chat.d.emit(before)
        what = free(chat, list(words.SOUND_OF), "sound", before)
        chat.d.emit(article(what) + after)
        sound = words.SOUND_OF[what]
        answer = chat.reply(f"{article(what).capitalize()} says {sound}.", sound)
    else:
        form = chat.d.pick(["What is the opposite of ", "Tell me the opposite of ", "Which word is the opposite of "])
        chat.d.emit(form)
        what = free(chat, list(words.OPPOSITE_OF), "opposite", form)
        chat.d.emit(what)
        opposite = words.OPPOSITE_OF[what]
        answer = chat.reply(f"The opposite of {what} is {opposite}.", opposite)
    chat.stop("?")
    return answer


def small_talk(chat):
    chat.user()
    asked, answer = chat.d.pick(offtopic.SMALL_TALK)
    text = chat.d.pick(asked)
    chat.d.emit(text)
    sign = sign_of(text)
    if sign != "?":
        choose = chat.d.discard if chat.open else chat.d.pick
        sign = choose([".", "!"])
    chat.stop(sign)
    return answer


def off_topic(chat):
    chat.user()
    question = chat.d.pick(offtopic.QUESTIONS)
    for index, piece in enumerate(question.replace("}", "{").split("{")):
        if index % 2 == 0:
            chat.d.emit(piece)
        else:
            SLOTS[piece](chat)
    chat.stop(sign_of(question))
    return offtopic.ANSWER


def made_up_word(chat):
    for index in range(4):
        chat.d.emit(chat.d.pick(offtopic.CONSONANTS))
        chat.d.emit(chat.d.pick(offtopic.VOWELS))
        if index == 3:
            chat.d.discard([True, False])
        elif index >= 1 and chat.d.pick([True, False]):
            break


SLOTS = {
    "country": lambda chat: chat.say(offtopic.COUNTRIES),
    "person": lambda chat: chat.say(offtopic.PEOPLE),
    "topic": lambda chat: chat.say(offtopic.TOPICS),
    "task": lambda chat: chat.say(offtopic.TASKS),
    "word": made_up_word,
    "big": big_number,
}

SMALL = {
    "facts": 26,
    "sums": 16,
    "gains": 12,
    "counting": 10,
    "more or less": 7,
    "sizes": 6,
    "tables": 9,
    "following": 4,
    "count up": 1,
    "small talk": 8,
    "off topic": 10,
    "large sums": 2,
}
KINDS = {
    "facts": lambda chat: chat.given_facts(),
    "told": lambda chat: chat.told(),
    "sums": sums,
    "gains": gains,
    "counting": counting,
    "more or less": more_or_less,
    "sizes": sizes,
    "tables": tables,
    "following": following,
    "count up": count_up,
    "small talk": small_talk,
    "off topic": off_topic,
    "large sums": large_sums,
}


def converse(chat):
    """A whole conversation."""
    chat.system()
    first = True
    while first or chat.d.length < LAST_TURN:
        if not first and not chat.d.pick([True, False], [78, 22] if chat.facts else [60, 40]):
            return
        one_turn(chat)
        first = False


def one_turn(chat):
    """One question with its answer, or a story."""
    story = 50 if chat.d.length < LAST_STORY else 0
    about = 300 if chat.facts else 0
    missing = 1 if chat.story is None else 0
    kinds = ["story", "told", "about", "missing", *SMALL]
    weights = [story, story // 8, about, missing, *SMALL.values()]
    kind = chat.d.pick(kinds, weights)
    if kind == "story":
        chat.tell()
    elif kind == "about":
        chat.answer(chat.ask_story())
    elif kind == "missing":
        chat.answer(chat.ask_without_story())
    else:
        chat.answer(KINDS[kind](chat))


def write_document(derivation):
    """One whole document: a conversation, or a story alone."""
    derivation.emit(BOS)
    if derivation.pick([True, False], [94, 6]):
        converse(Chat(derivation))
    else:
        stories.tell_story(derivation)
    derivation.emit(EOS)
