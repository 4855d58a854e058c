"""Print how good a decoder is: perplexity against the generator's, and the 200 questions.

    python fable/evaluate.py                  # the weights in fable/float, in float32, by transformers
    python fable/evaluate.py --model DIR --wrong

Held-out documents (heldout.jsonl): `tokens` counts what is predicted, that is all but the first; the generator's
perplexity is exp(-sum of logp_nats / sum of tokens), the model's is exp(sum of its negative log-likelihoods / sum of tokens).
Questions (questions.json): greedy decoding of at most 48 tokens, to <|end|>; compared after normalisation.
"""

import argparse
import collections
import json
import math
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, logging

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from questions import normalized  # noqa: E402


def perplexity(model, tokenizer, path):
    nats, true_nats, tokens = 0.0, 0.0, 0
    for line in path.read_text().splitlines():
        document = json.loads(line)
        ids = torch.tensor(tokenizer.encode(document["text"], add_special_tokens=False))
        if len(ids) - 1 != document["tokens"]:
            raise SystemExit("the tokenizer does not agree with the file")
        logits = model(input_ids=ids[None, :-1]).logits[0].double()
        nats += torch.nn.functional.cross_entropy(logits, ids[1:], reduction="sum").item()
        true_nats -= document["logp_nats"]
        tokens += document["tokens"]
    ours, best = math.exp(nats / tokens), math.exp(true_nats / tokens)
    print(f"tokens {tokens}")
    print(f"nats per token: model {nats / tokens:.4f}, generator {true_nats / tokens:.4f}")
    print(f"perplexity: model {ours:.4f}, generator {best:.4f}, {100 * (ours / best - 1):+.2f} %")


def answer(model, tokenizer, messages, most=48):
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    made = model.generate(**ids, max_new_tokens=most, do_sample=False)
    return tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


def score(model, tokenizer, path, show_wrong):
    right, asked = collections.Counter(), collections.Counter()
    for question in json.loads(path.read_text()):
        given = answer(model, tokenizer, question["messages"])
        asked[question["kind"]] += 1
        if normalized(given) == normalized(question["answer"]):
            right[question["kind"]] += 1
        elif show_wrong:
            print(f"{question['messages'][-1]['content'][-80:]!r}: {given!r}, expected {question['answer']!r}")
    for kind, count in asked.items():
        print(f"{kind:14} {right[kind]:3} of {count:3}")
    total, count = right.total(), asked.total()
    print(f"{'questions':14} {total:3} of {count:3} right, {100 * total / count:.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, default=HERE / "float")
    parser.add_argument("--heldout", type=pathlib.Path, default=HERE / "heldout.jsonl")
    parser.add_argument("--questions", type=pathlib.Path, default=HERE / "questions.json")
    parser.add_argument("--wrong", action="store_true", help="show the wrong answers")
    parser.add_argument("--ask", help="only answer this")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    with torch.no_grad():
        if arguments.ask:
            print(answer(model, tokenizer, [{"role": "user", "content": arguments.ask}], 300))
            return
        perplexity(model, tokenizer, arguments.heldout)
        score(model, tokenizer, arguments.questions, arguments.wrong)


if __name__ == "__main__":
    main()
