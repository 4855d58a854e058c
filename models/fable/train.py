"""Train fable: a small Llama, on documents of the generator, on a processor.

    python fable/train.py                       # about half an hour on two cores; writes fable/float/
    python fable/train.py --resume              # goes on from the last checkpoint
    python fable/train.py --begin 2000          # goes on from the weights in fable/float/, taken as those of that step

The run depends on the seed alone, up to the processor's rounding. Each document is seen at most once.
"""

import argparse
import json
import math
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import chat  # noqa: E402
import generate  # noqa: E402
import lessons  # noqa: E402

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 1024,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "hidden_act": "silu",
    "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "initializer_range": 0.02,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "torch_dtype": "float16",
}
# The names that transformers has for the parameters of a layer.
NAMES = {
    "before_attention": "input_layernorm.weight",
    "before_mlp": "post_attention_layernorm.weight",
    **{f"{n}.weight": f"self_attn.{n}_proj.weight" for n in "qkvo"},
    **{f"{n}.weight": f"mlp.{n}_proj.weight" for n in ("gate", "up", "down")},
}
SEED = 20261121
LENGTH, BATCH = 384, 16
PAD = 65535
WEIGHTED, ANSWER_WEIGHT, SHORT = 800, 5.0, 40
SCHEDULE = [(0, 0.02), (50, 1), (1200, 1), (1600, 0.5), (2000, 0.304), (2050, 0.6), (2450, 0.6), (2900, 0.01)]
LESSONS = [(1600, 8), (2200, 12)]  # from these steps on, so many rows of each batch are lessons


def rms_norm(x, gain):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * gain).to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        c = CONFIG
        width, head, inner = c["hidden_size"], c["head_dim"], c["intermediate_size"]
        self.heads, self.kv_heads, self.head = c["num_attention_heads"], c["num_key_value_heads"], head
        self.before_attention = nn.Parameter(torch.ones(width))
        self.before_mlp = nn.Parameter(torch.ones(width))
        self.q = nn.Linear(width, self.heads * head, bias=False)
        self.k = nn.Linear(width, self.kv_heads * head, bias=False)
        self.v = nn.Linear(width, self.kv_heads * head, bias=False)
        self.o = nn.Linear(self.heads * head, width, bias=False)
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        h = rms_norm(x, self.before_attention)
        q = rotate(self.q(h).view(batch, length, self.heads, self.head).transpose(1, 2), cos, sin)
        k = rotate(self.k(h).view(batch, length, self.kv_heads, self.head).transpose(1, 2), cos, sin)
        v = self.v(h).view(batch, length, self.kv_heads, self.head).transpose(1, 2)
        groups = self.heads // self.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(batch, length, -1))
        h = rms_norm(x, self.before_mlp)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Fable(nn.Module):
    def __init__(self):
        super().__init__()
        c = CONFIG
        self.embed = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Layer() for _ in range(c["num_hidden_layers"]))
        self.norm = nn.Parameter(torch.ones(c["hidden_size"]))
        scale = 1 / math.sqrt(2 * c["num_hidden_layers"])
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in name else 1 / math.sqrt(p.shape[1])
                nn.init.normal_(p, 0.0, std * (scale if name.endswith(("o.weight", "down.weight")) else 1))
        half = torch.arange(0, c["head_dim"], 2).float() / c["head_dim"]
        angles = torch.outer(torch.arange(LENGTH).float(), c["rope_theta"] ** -half)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids, targets, weights):
        cos, sin = self.cos[: ids.shape[1]].bfloat16(), self.sin[: ids.shape[1]].bfloat16()
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        logits = F.linear(rms_norm(x, self.norm), self.embed.weight)
        losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=PAD, reduction="none")
        count = (targets != PAD).sum()
        weights = weights.flatten()
        return (losses * weights).sum() / weights.sum(), losses.sum() / count


def export(model, out):
    """Write config.json, generation_config.json and model.safetensors under the names that transformers uses."""
    tensors = {"model.embed_tokens.weight": model.embed.weight, "model.norm.weight": model.norm}
    for i, layer in enumerate(model.layers):
        for name, parameter in layer.named_parameters():
            tensors[f"model.layers.{i}.{NAMES[name]}"] = parameter
    halves = {name: t.detach().to(torch.float16).contiguous() for name, t in tensors.items()}
    out.mkdir(exist_ok=True)
    save_file(halves, out / "model.safetensors.new", metadata={"format": "pt"})
    (out / "model.safetensors.new").chmod(0o644)
    (out / "model.safetensors.new").replace(out / "model.safetensors")
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    end = chat.SPECIAL.index(chat.END)
    generation = {"bos_token_id": 0, "eos_token_id": [end, 1], "pad_token_id": 1, "do_sample": False}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def load(model, folder):
    """Read what `export` wrote."""
    tensors = load_file(folder / "model.safetensors")
    with torch.no_grad():
        model.embed.weight.copy_(tensors["model.embed_tokens.weight"])
        model.norm.copy_(tensors["model.norm.weight"])
        for i, layer in enumerate(model.layers):
            for name, parameter in layer.named_parameters():
                parameter.copy_(tensors[f"model.layers.{i}.{NAMES[name]}"])


def pack(documents):
    """Rows of LENGTH + 1 tokens, of whole documents one after the other, filled up with PAD; the fullest row that still
    has room takes the next longest document."""
    rows, order = [], sorted(range(len(documents)), key=lambda i: (-len(documents[i]), i))
    for i in order:
        size = len(documents[i])
        fitting = [row for row in rows if row[0] >= size]
        row = min(fitting, key=lambda r: r[0]) if fitting else [LENGTH + 1, []]
        if not fitting:
            rows.append(row)
        row[0] -= size
        row[1].extend(documents[i])
    return [tokens + [PAD] * free for free, tokens in rows]


def training_rows(path, count, text_of, first):
    """At least `count` rows of training tokens, made once and kept in a file."""
    if path.exists():
        rows = np.load(path, mmap_mode="r")
        if len(rows) >= count:
            return rows
    tokenizer = Tokenizer.from_file(str(HERE / "float" / "tokenizer.json"))
    rng = np.random.Generator(np.random.PCG64(SEED))
    parts, number, tokens = [], first, 0
    while sum(map(len, parts)) < count:
        texts = [text_of(n) for n in range(number, number + 2000)]
        number += 2000
        documents = [e.ids[: LENGTH + 1] for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
        tokens += sum(map(len, documents))
        packed = np.array(pack(documents), np.uint16)
        parts.append(packed[rng.permutation(len(packed))])
    rows = np.concatenate(parts)
    np.save(path, rows)
    print(f"{path.name}: {number - first} documents, {tokens} tokens, {len(rows)} rows", flush=True)
    return rows


def lesson_rows(step):
    """How many lesson rows were used before a step, and how many it uses."""
    used = count = 0
    for begin, end in zip(LESSONS, [*LESSONS[1:], (math.inf, 0)], strict=True):
        if step >= begin[0]:
            used += (min(step, end[0]) - begin[0]) * begin[1]
            count = begin[1]
    return used, count


def weights_of(targets, step, lessons):
    """The weight of each target: 0 for PAD; from WEIGHTED on, ANSWER_WEIGHT inside short answers, which are few but hard.

    Of the last `lessons` rows, which are lessons, only what the assistant says counts. Weights that depend on the context
    alone do not move the optimum: it is still the generator's distribution.
    """
    weights = np.ones(targets.shape, np.float32)
    weights[len(targets) - lessons :] = 0
    assistant, end = chat.SPECIAL.index(chat.ASSISTANT), chat.SPECIAL.index(chat.END)
    for index, (row, line) in enumerate(zip(weights, targets, strict=True)):
        lesson = index >= len(targets) - lessons
        if step < WEIGHTED and not lesson:
            continue
        for begin in np.flatnonzero(line == assistant):
            length = np.flatnonzero(line[begin:] == end)
            stop = begin + length[0] if len(length) else len(line)
            short = len(length) and length[0] < SHORT
            row[begin + 1 : stop + lesson] = ANSWER_WEIGHT if short else 1
    weights[targets == PAD] = 0
    return weights


def rate_at(step):
    """The learning rate at a step, as a part of --rate. It falls to 0.3 and rises once more: the first fall showed that
    questions needed longer."""
    return float(np.interp(step, *zip(*SCHEDULE, strict=True)))


def optimizers(model, rate):
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["base"] = group["lr"]
    return muon, adam


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=SCHEDULE[-1][0])
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "work", help="checkpoints and training rows")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "float")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--begin", type=int, default=0, help="the step whose weights lie in --out, if not 0")
    parser.add_argument("--compile", action="store_true", help="compile the model (needs a C++ compiler)")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    arguments.work.mkdir(exist_ok=True)
    rows = training_rows(
        arguments.work / "rows.npy",
        arguments.steps * BATCH,
        lambda number: generate.document(number).text,
        generate.FIRST_TRAINING,
    )
    taught = training_rows(arguments.work / "lessons.npy", lesson_rows(arguments.steps)[0], lessons.lesson, 0)
    model = Fable()
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    both = optimizers(model, arguments.rate)
    first = 0
    checkpoint = arguments.work / "checkpoint.pt"
    if arguments.resume:
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(both, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        first = state["step"]
    elif arguments.begin:
        load(model, arguments.out)
        first = arguments.begin
    run = torch.compile(model) if arguments.compile else model
    begun, mean = time.monotonic(), None
    for step in range(first, arguments.steps):
        window = rows[step * BATCH : (step + 1) * BATCH].astype(np.int64)
        before, count = lesson_rows(step)
        if count:
            window[-count:] = taught[before : before + count]
        ids, targets = torch.from_numpy(np.where(window == PAD, 1, window)[:, :-1]), window[:, 1:]
        with torch.autocast("cpu", torch.bfloat16):
            weighted, loss = run(ids, torch.from_numpy(targets), torch.from_numpy(weights_of(targets, step, count)))
        weighted.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * rate_at(step)
            optimizer.step()
            optimizer.zero_grad()
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if step % 20 == 19:
            print(f"step {step + 1} loss {mean:.4f} after {time.monotonic() - begun:.0f} s", flush=True)
        if step % 200 == 199 or step + 1 == arguments.steps:
            saved = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in both], "step": step + 1}
            torch.save(saved, checkpoint)
            export(model, arguments.out)


if __name__ == "__main__":
    main()
