"""The small world: names, animals, things, places, and the tables behind simple questions."""

GIRLS = ["Mia", "Lily", "Anna", "Ella", "Ruby", "Nora", "Zoe", "Ivy", "Clara", "Rosa", "Ada", "Lena"]
BOYS = ["Tom", "Ben", "Max", "Sam", "Leo", "Finn", "Jack", "Otto", "Hugo", "Emil", "Karl", "Paul"]
NAMES = GIRLS + BOYS

ANIMALS = [
    "fox", "rabbit", "bear", "owl", "mouse", "hedgehog", "frog", "duck",
    "squirrel", "badger", "cat", "dog", "goat", "turtle", "otter", "crow",
]  # fmt: skip
TRAITS = ["brave", "kind", "clever", "shy", "curious", "cheerful", "quiet", "careful"]
COLORS = ["red", "blue", "green", "yellow", "white", "black", "orange", "purple"]
THINGS = [
    "kite", "ball", "lantern", "bell", "boat", "drum", "hat", "scarf",
    "book", "umbrella", "basket", "cup", "ring", "spoon", "whistle", "blanket",
]  # fmt: skip
FOODS = ["apples", "pears", "nuts", "berries", "plums", "cookies", "carrots", "cherries"]
PLACES = {
    "forest": "in the forest",
    "meadow": "in the meadow",
    "garden": "in the garden",
    "village": "in the village",
    "barn": "in the barn",
    "cave": "in the cave",
    "river": "by the river",
    "lake": "by the lake",
    "mill": "by the mill",
    "bridge": "by the bridge",
    "hill": "on the hill",
    "beach": "on the beach",
}

WEATHERS = ["sunny", "rainy", "windy", "foggy", "snowy", "warm"]
TIMES = ["morning", "afternoon", "evening"]
FILLERS = ["leaves", "stones", "mud", "grass", "feathers", "moss"]
SPOTS = ["an old tree", "a big stone", "a wooden bench", "a green bush", "a pile of hay", "a broken cart"]
TRAPS = ["a ditch", "a puddle", "a hole", "the mud", "the brambles", "a hollow log"]
DRINKS = ["warm milk", "hot tea", "sweet cocoa", "apple juice", "onion soup", "honey water"]
MENDERS = ["glue", "string", "tape", "wire", "ribbon", "wax"]
DANCES = ["sang", "danced", "played", "laughed"]

COLOR_OF = {
    "snow": "white",
    "grass": "green",
    "the sky": "blue",
    "the sun": "yellow",
    "coal": "black",
    "a lemon": "yellow",
    "a carrot": "orange",
    "a plum": "purple",
    "a cherry": "red",
    "a leaf": "green",
    "milk": "white",
    "a crow": "black",
    "a frog": "green",
    "the sea": "blue",
    "a tomato": "red",
    "the night": "black",
}
SOUND_OF = {
    "duck": "quack",
    "dog": "woof",
    "cat": "meow",
    "frog": "croak",
    "owl": "hoot",
    "cow": "moo",
    "sheep": "baa",
    "mouse": "squeak",
    "crow": "caw",
    "pig": "oink",
    "bee": "buzz",
    "horse": "neigh",
}
OPPOSITES = {
    "hot": "cold",
    "big": "small",
    "day": "night",
    "up": "down",
    "fast": "slow",
    "old": "new",
    "happy": "sad",
    "wet": "dry",
    "full": "empty",
    "open": "closed",
    "left": "right",
    "loud": "quiet",
}
OPPOSITE_OF = {**OPPOSITES, **{b: a for a, b in OPPOSITES.items()}}
BY_SIZE = ["bee", "mouse", "squirrel", "rabbit", "cat", "fox", "goat", "pig", "bear", "horse", "elephant", "whale"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


ONE_OF = {"berries": "berry", "cherries": "cherry"}


def article(word):
    """The word with its indefinite article."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def plural(animal):
    """The plural of an animal."""
    return {"fox": "foxes", "mouse": "mice"}.get(animal, animal + "s")


def count_of(number, plural_noun):
    """`3 apples`, `1 apple`."""
    if number != 1:
        return f"{number} {plural_noun}"
    return f"1 {ONE_OF.get(plural_noun, plural_noun[:-1])}"


def reserved(*parts):
    """Whether a combination is kept for the questions: it never occurs in documents.

    About one in ten. An ordered pair is reserved only if its mirror image is not.
    """
    return _slot(parts) == 0 and _slot((*parts[:-2], parts[-1], parts[-2])) != 0


def _slot(parts):
    value = 17
    for byte in "/".join(str(part) for part in parts).encode():
        value = (value * 31 + byte) % 1_000_003
    return value % 9
