"""Generate documents, each with its exact log-probability.

    python fable/generate.py --count 3                    # JSON lines: text, logp_nats
    python fable/generate.py --count 300 --verify         # also count the derivations of each text: it has to be one
    python fable/generate.py --heldout fable/heldout.jsonl --count 300   # the held-out set, with token counts

Document `n` depends on `n` alone. Held-out documents are 0, 1, 2, …; training begins at 1,000,000.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import derivation  # noqa: E402
import turns  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
FIRST_TRAINING = 1_000_000


def document(number):
    """The derivation of document `number`."""
    return derivation.sample(turns.write_document, number)


def verify(number, made):
    """Whether the text has one derivation only, the one that made it."""
    found = derivation.derivations_of(turns.write_document, made.text)
    if [d.choices for d in found] != [made.choices]:
        print(f"document {number} has {len(found)} derivations", file=sys.stderr)
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="number of the first document")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--heldout", type=pathlib.Path, help="write text, logp_nats and tokens to this file")
    arguments = parser.parse_args()
    lines, right, nats, characters = [], 0, 0.0, 0
    tokenizer = None
    if arguments.heldout:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(HERE / "float" / "tokenizer.json"))
    for number in range(arguments.first, arguments.first + arguments.count):
        made = document(number)
        line = {"text": made.text, "logp_nats": made.logp}
        if tokenizer:
            # All tokens but the first: <|bos|> is given, <|eos|> is predicted.
            line["tokens"] = len(tokenizer.encode(made.text, add_special_tokens=False).ids) - 1
        lines.append(json.dumps(line))
        nats -= made.logp
        characters += len(made.text)
        if arguments.verify:
            right += verify(number, made)
    if arguments.heldout:
        arguments.heldout.write_text("\n".join(lines) + "\n")
    else:
        print("\n".join(lines))
    print(f"{arguments.count} documents, {nats / characters:.4f} nats per character", file=sys.stderr)
    if arguments.verify:
        print(f"{right} of {arguments.count} have one derivation only", file=sys.stderr)
        raise SystemExit(0 if right == arguments.count else 1)


if __name__ == "__main__":
    main()
