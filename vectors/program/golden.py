#!/usr/bin/env python3
"""The second opinion on specs/04-program.md: tables, operators, digests and the sampler, computed from the text of the
specification with Python's unbounded integers, and with no code of the Rust crate.

    python3 golden.py --write    writes golden.json, from fixed inputs and from the accepted cases in this folder
    python3 golden.py            compares; exit status 1 if anything differs

The Rust tests read golden.json and compare it with what the crate computes.
"""

import hashlib
import json
import math
import os
import random
import struct
import sys
from decimal import ROUND_HALF_EVEN, Context, Decimal

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = b"proofmark/program/1/"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- 1: notation -------------------------------------------------------------------------------------------------


def clamp(x, lo, hi):
    return min(max(x, lo), hi)


def rdiv(a, b):
    q, r = divmod(a, b)
    if 2 * r > b or (2 * r == b and q % 2 == 1):
        q += 1
    return q


def rshift(a, s):
    return rdiv(a, 1 << s)


def exponential(bits, steps):
    """round(2^bits · 2^(−f/steps)) for all f: the p with (2p − 1)^steps < 2^((bits + 1)·steps − f) < (2p + 1)^steps."""
    table = []
    for f in range(steps):
        p = round(2.0 ** (bits - f / steps))
        target = 1 << ((bits + 1) * steps - f)
        while (2 * p - 1) ** steps > target:
            p -= 1
        while (2 * p + 1) ** steps < target:
            p += 1
        table.append(p)
    return table


P = exponential(14, 1024)
E = exponential(40, 4096)


def weight(delta):
    return P[delta % 1024] >> (delta // 1024) if delta < 16384 else 0


# --- 6: files ----------------------------------------------------------------------------------------------------


def cbor(data, at=0):
    """One item at `at`: (value, end)."""
    first = data[at]
    major, info = first >> 5, first & 31
    at += 1
    if info < 24:
        number = info
    else:
        width = 1 << (info - 24)
        number = int.from_bytes(data[at : at + width], "big")
        at += width
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        value = data[at : at + number]
        return (value if major == 2 else value.decode("utf-8")), at + number
    if major == 4:
        items = []
        for _ in range(number):
            item, at = cbor(data, at)
            items.append(item)
        return items, at
    if major == 5:
        entries = {}
        for _ in range(number):
            key, at = cbor(data, at)
            entries[key], at = cbor(data, at)
        return entries, at
    return {20: False, 21: True, 22: None}[number], at


def weights_of(data):
    (length,) = struct.unpack("<Q", data[:8])
    start = 8 + length
    assert start % 64 == 0
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        first, last = entry["data_offsets"]
        size, code = {"I8": (1, "b"), "I16": (2, "h"), "I32": (4, "i")}[entry["dtype"]]
        elements = struct.unpack("<%d%s" % ((last - first) // size, code), data[start + first : start + last])
        assert math.prod(entry["shape"]) == len(elements)
        tensors[name] = (entry["shape"], elements)
    return tensors


def tree_hash(leaves):
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return sha256(b"\0", leaves[0])
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\1", tree_hash(leaves[:half]), tree_hash(leaves[half:]))


def weights_root(data):
    return tree_hash([data[at : at + 16384] for at in range(0, len(data), 16384)])


def tensor_digest(dimensions, elements):
    head = bytes([len(dimensions)]) + b"".join(struct.pack("<I", d) for d in dimensions)
    return sha256(SPEC + b"tensor\n", head, b"".join(struct.pack("<i", x) for x in elements))


# --- 3: operators ------------------------------------------------------------------------------------------------


class Value:
    """A value: its rows (one, if it is not by position), each a flat list."""

    def __init__(self, node):
        self.by_position, self.shape, self.lo, self.hi = node[4]
        self.rows = []

    def row(self, t):
        return self.rows[t] if self.by_position else self.rows[0]

    def elements(self):
        return [x for row in self.rows for x in row]

    def dimensions(self):
        return ([len(self.rows)] if self.by_position else []) + self.shape


def chunks(row, n):
    return [row[at : at + n] for at in range(0, len(row), n)]


def norm(row, eps, f, centered):
    mean = rdiv(sum(row), len(row)) if centered else 0
    z = [x - mean for x in row]
    s = eps + sum(x * x for x in z)
    e = (s.bit_length() - 1) // 2
    assert 4**e <= s < 4 ** (e + 1)
    r = math.isqrt((1 << (2 * e + 60)) // s)
    assert r * r * s <= 1 << (2 * e + 60) < (r + 1) * (r + 1) * s and 1 << 29 <= r <= 1 << 30
    return [rshift(x * r, e + 30 - f) for x in z]


def soft(scores):
    best = max(scores)
    w = [weight(best - u) for u in scores]
    return w, sum(w)


def attention(q, k, v, t, y, m, s, a, window):
    (heads, d), (groups, _), (_, e) = q.shape, k.shape, v.shape
    out = []
    seen = [j for j in range(t + 1) if window == 0 or j > t - window]
    for n in range(heads):
        g = n // (heads // groups)
        scores = []
        for j in seen:
            total = sum(q.rows[t][n * d + i] * k.rows[j][g * d + i] for i in range(d))
            scores.append(rshift(total * m, s))
        w, z = soft(scores)
        for i in range(e):
            o = sum(w_j * v.rows[j][g * e + i] for w_j, j in zip(w, seen))
            out.append(clamp(rdiv(o << a, z), y.lo, y.hi))
    return out


def rope(row, shape, cosines, sines, t):
    half = cosines[0][1]
    c, s = (table[1][t * half : (t + 1) * half] for table in (cosines, sines))
    out = []
    for x in chunks(row, shape[1]):
        head = list(x)
        for i in range(half):
            head[i] = rshift(x[i] * c[i] - x[i + half] * s[i], 14)
            head[i + half] = rshift(x[i + half] * c[i] + x[i] * s[i], 14)
        out += head
    return out


def windows(x_shape, y_shape, window):
    """For each place of the result: the kernel's places with their place of the input, or None outside."""
    kh, kw, sh, sw, top, left, _, _, dh, dw = window
    _, h, w = x_shape
    for r in range(y_shape[1]):
        for c in range(y_shape[2]):
            places = []
            for i in range(kh):
                for j in range(kw):
                    row, column = r * sh + i * dh - top, c * sw + j * dw - left
                    inside = 0 <= row < h and 0 <= column < w
                    places.append((i, j, row * w + column if inside else None))
            yield places


def conv(row, x_shape, y_shape, weight_, bias, window, groups):
    inner, outputs = x_shape[0] // groups, y_shape[0]
    plane, (kh, kw) = x_shape[1] * x_shape[2], window[:2]
    out = []
    for o in range(outputs):
        first = o // (outputs // groups) * inner
        for places in windows(x_shape, y_shape, window):
            total = bias[o]
            for p in range(inner):
                for i, j, at in places:
                    if at is not None:
                        total += weight_[((o * inner + p) * kh + i) * kw + j] * row[(first + p) * plane + at]
            out.append(total)
    return out


def pool(row, x_shape, y_shape, window, summed):
    plane, out = x_shape[1] * x_shape[2], []
    for channel in range(y_shape[0]):
        for places in windows(x_shape, y_shape, window + [1, 1]):
            inside = [row[channel * plane + at] for _, _, at in places if at is not None]
            out.append(sum(inside) if summed else max(inside))
    return out


def trees(row, constants):
    roots, feature, threshold, left, right, leaf, values, base = (c[1] for c in constants)
    out = list(base)
    for node in roots:
        while feature[node] != -1:
            node = left[node] if row[feature[node]] < threshold[node] else right[node]
        for c in range(len(base)):
            out[c] += values[leaf[node] * len(base) + c]
    return out


def indices(shape):
    if not shape:
        yield ()
        return
    for first in range(shape[0]):
        for rest in indices(shape[1:]):
            yield (first,) + rest


def flat(index, shape):
    at = 0
    for i, length in zip(index, shape):
        at = at * length + i
    return at


def replaced(index, axis, value):
    return index[:axis] + (value,) + index[axis + 1 :]


def movement(code, rows, shapes, y, attributes):
    """Operators 20 to 26 by what each element of the result is."""
    x, shape = rows[0], shapes[0]
    axis = attributes[0] if attributes else 0
    out = []
    for index in indices(y.shape):
        if code == 20:
            source = [0] * len(shape)
            for j, from_ in enumerate(attributes):
                source[from_] = index[j]
            out.append(x[flat(source, shape)])
        elif code == 21:
            at, part = index[axis], 0
            while at >= shapes[part][axis]:
                at -= shapes[part][axis]
                part += 1
            out.append(rows[part][flat(replaced(index, axis, at), shapes[part])])
        elif code == 22:
            _, start, step = attributes
            out.append(x[flat(replaced(index, axis, start + index[axis] * step), shape)])
        elif code == 23:
            _, before, value = attributes
            at = index[axis] - before
            out.append(x[flat(replaced(index, axis, at), shape)] if 0 <= at < shape[axis] else value)
        elif code in (24, 25):
            line = [x[flat(index[:axis] + (j,) + index[axis:], shape)] for j in range(shape[axis])]
            out.append(sum(line) if code == 24 else max(line))
        else:
            line = [x[flat(index + (j,), shape)] for j in range(shape[-1])]
            out.append(line.index(max(line)))
    return out


def matmul(a, b, a_shape, b_shape):
    (p, k), q, out = a_shape[-2:], b_shape[-1], []
    for left, right in zip(chunks(a, p * k), chunks(b, k * q)):
        for i in range(p):
            for c in range(q):
                out.append(sum(left[i * k + j] * right[j * q + c] for j in range(k)))
    return out


def linear(row, k, n, weight_, bias):
    out = []
    for x in chunks(row, k):
        for c in range(n):
            out.append(bias[c] + sum(weight_[c * k + j] * x[j] for j in range(k)))
    return out


def channel(multipliers, at):
    return multipliers[at] if len(multipliers) > 1 else multipliers[0]


def one_row(code, y, values, constants, attributes, t):
    """A row of every operator but input, tokens, positions and attention."""
    rows, shapes = [v.row(t) for v in values], [v.shape for v in values]
    x = rows[0] if rows else []
    width = shapes[0][-1] if shapes and shapes[0] else 1

    def rq(a, m, s):
        return clamp(rshift(a * m, s), y.lo, y.hi)

    if code == 3:
        (shape, table), (_, m) = constants
        return [rq(table[i * shape[1] + j], channel(m, i), attributes[0]) for i in x for j in range(shape[1])]
    if code == 4:
        bias = constants[1][1] if len(constants) > 1 else [0] * y.shape[-1]
        return linear(x, width, y.shape[-1], constants[0][1], bias)
    if code == 5:
        return [rq(a, channel(constants[0][1], i % width), attributes[0]) for i, a in enumerate(x)]
    if code == 28:
        inner = len(x) // shapes[0][0]
        return [rq(a, constants[0][1][i // inner], attributes[0]) for i, a in enumerate(x)]
    if code == 6:
        return [a + rows[1][i % len(rows[1])] for i, a in enumerate(x)]
    if code == 7:
        return [clamp(rshift(a * rows[1][i % len(rows[1])], attributes[0]), y.lo, y.hi) for i, a in enumerate(x)]
    if code == 8:
        return [clamp(a, y.lo, y.hi) for a in x]
    if code == 9:
        return [constants[0][1][a - values[0].lo] for a in x]
    if code in (10, 11):
        return [clamp(a, y.lo, y.hi) for line in chunks(x, width) for a in norm(line, *attributes, code == 11)]
    if code == 12:
        return [clamp(a, y.lo, y.hi) for a in rope(x, shapes[0], *constants, t)]
    if code == 14:
        out = []
        for line in chunks(x, width):
            w, z = soft([rshift(a * attributes[0], attributes[1]) for a in line])
            out += [clamp(rdiv(a << 15, z), y.lo, y.hi) for a in w]
        return out
    if code == 15:
        bias = constants[1][1] if len(constants) > 1 else [0] * y.shape[0]
        return conv(x, shapes[0], y.shape, constants[0][1], bias, attributes[:10], attributes[10])
    if code in (16, 17):
        return pool(x, shapes[0], y.shape, attributes, code == 17)
    if code == 18:
        return matmul(x, rows[1], *shapes)
    if code == 19:
        return list(x)
    if code in range(20, 27):
        return movement(code, rows, shapes, y, attributes)
    if code == 27:
        return trees(x, constants)
    assert code == 29
    return list(constants[0][1])


def run(program, tensors, ids, inputs):
    """Values of all nodes."""
    values, given = [], iter(inputs)
    for node in program[2]:
        code, sources, names, attributes = node[:4]
        y = Value(node)
        operands, constants = [values[i] for i in sources], [tensors[name] for name in names]
        for t in range(len(ids) if y.by_position else 1):
            if code == 0:
                y.rows.append(next(given))
            elif code == 1:
                y.rows.append([ids[t]])
            elif code == 2:
                y.rows.append([t])
            elif code == 13:
                y.rows.append(attention(*operands, t, y, *attributes))
            else:
                y.rows.append(one_row(code, y, operands, constants, attributes, t))
        elements = y.elements()
        assert len(elements) == math.prod(y.dimensions()) and all(y.lo <= x <= y.hi for x in elements), node
        values.append(y)
    return values


# --- 7: sampling -------------------------------------------------------------------------------------------------


def scaled(text, scale):
    """The decimal times `scale`, to the nearest integer, ties to even."""
    exact = Context(prec=2000, Emax=10**9, Emin=-(10**9))
    product = exact.multiply(Decimal(text), Decimal(scale))
    return int(product.quantize(Decimal(1), rounding=ROUND_HALF_EVEN, context=exact))


def draw(seed, choice, t):
    return int.from_bytes(sha256(SPEC + b"draw\n", struct.pack(">QIQ", seed, choice, t))[:8], "big")


def sample(p, logits, prompt, generated, u):
    """One token (7.2), by sorting everything."""
    seen, vocabulary = set(prompt) | set(generated), range(len(logits))
    logits = list(logits)
    for v in vocabulary:
        if p["repetition_penalty"] != 10**6 and v in seen:
            rho = p["repetition_penalty"]
            logits[v] = rdiv(logits[v] * 10**6, rho) if logits[v] > 0 else rdiv(logits[v] * rho, 10**6)
        n = generated.count(v)
        penalty = p["presence_penalty"] * (n > 0) + p["frequency_penalty"] * n
        bias = dict(map(tuple, p["logit_bias"])).get(v, 0)
        logits[v] = clamp(logits[v] + bias - rdiv(penalty * 65536, 10**6), -(1 << 40), 1 << 40)
    order = sorted(vocabulary, key=lambda v: (-logits[v], v))
    if p["temperature"] == 0:
        return order[0]
    best, w = logits[order[0]], {}
    for v in vocabulary:
        delta = rdiv((best - logits[v]) * 94548 * 10**6, 65536 * p["temperature"])
        w[v] = E[delta % 65536 // 16] >> (delta // 65536) if delta // 65536 < 41 else 0
    if p["top_k"]:
        order = order[: p["top_k"]]
    if p["top_p"] < 10**6:
        z, total, kept = sum(w[v] for v in order), 0, []
        for v in order:
            kept.append(v)
            total += w[v]
            if total * 10**6 >= z * p["top_p"]:
                break
        order = kept
    if p["min_p"]:
        most = max(w[v] for v in order)
        order = [v for v in order if w[v] * 10**6 >= most * p["min_p"]]
    z, total = sum(w[v] for v in order), 0
    for v in sorted(order):
        total += w[v]
        if (total << 64) > u * z:
            return v
    raise AssertionError("step 7 finds a token")


def parameters(**changes):
    p = {"temperature": 10**6, "top_p": 10**6, "min_p": 0, "top_k": 0, "presence_penalty": 0}
    p.update({"frequency_penalty": 0, "repetition_penalty": 10**6, "logit_bias": []})
    p.update(changes)
    return p


SAMPLERS = {
    "greedy": dict(temperature=0),
    "plain": {},
    "cold": dict(temperature=1),
    "hot": dict(temperature=2 * 10**6),
    "one-third": dict(temperature=333_333),
    "top-k-1": dict(top_k=1),
    "top-k-5": dict(top_k=5),
    "top-k-all": dict(top_k=2**32 - 1),
    "top-p-0": dict(top_p=0),
    "top-p-half": dict(top_p=500_000),
    "top-p-most": dict(top_p=999_999),
    "min-p": dict(min_p=50_000),
    "min-p-1": dict(min_p=10**6),
    "presence": dict(presence_penalty=2 * 10**6),
    "frequency": dict(frequency_penalty=-2 * 10**6),
    "frequency-odd": dict(frequency_penalty=123_457, presence_penalty=-1),
    "repetition": dict(repetition_penalty=1_300_000),
    "repetition-least": dict(repetition_penalty=10_000),
    "repetition-most": dict(repetition_penalty=100_000_000),
    "bias": dict(logit_bias=[[0, 6_553_600], [3, -6_553_600], [4, 1]]),
    "bias-greedy": dict(temperature=0, logit_bias=[[2, 6_553_600]]),
    "all": dict(
        temperature=700_000, top_p=900_000, min_p=1_000, top_k=12, presence_penalty=100_000, repetition_penalty=1_100_000
    ),
}


def sampler_cases():
    choose = random.Random(4)
    cases = []
    for name, changes in SAMPLERS.items():
        for vocabulary, spread in ((1, 10), (7, 100_000), (7, 0), (50, 300_000), (90, 2_000_000), (40, 2**31 - 1)):
            p = parameters(**changes)
            p["logit_bias"] = [b for b in p["logit_bias"] if b[0] < vocabulary]
            prompt = [choose.randrange(vocabulary) for _ in range(choose.randrange(4))]
            seed, index, rows, tokens = choose.getrandbits(64), choose.choice([0, 0, 1, 2**32 - 1]), [], []
            for _ in range(4):
                logits = [choose.randint(-spread - (spread == 2**31 - 1), spread) for _ in range(vocabulary)]
                if choose.randrange(3) == 0:
                    # Ties at the top.
                    logits = [min(x, spread // 2) for x in logits]
                u = draw(seed, index, len(prompt) + len(tokens))
                tokens.append(sample(p, logits, prompt, tokens, u))
                rows.append(logits)
            cases.append(
                {
                    "name": name,
                    "parameters": p,
                    "vocabulary": vocabulary,
                    "seed": seed,
                    "choice": index,
                    "prompt": prompt,
                    "logits": rows,
                    "tokens": tokens,
                }
            )
    return cases


# --- what is computed --------------------------------------------------------------------------------------------

DECIMALS = [
    "0",
    "-0",
    "1",
    "0.7",
    "0.1",
    "2",
    "1e-6",
    "5e-7",
    "15e-7",
    "25e-7",
    "-25e-7",
    "0.9999995",
    "1E2",
    "-1.5e+1",
    "0.00000050000000000000000000000000000000000000001",
    "0.333333333333333333333333",
    "1e-400",
    "99.99999950000",
    "0.00000762939453125",
    "0.00002288818359375",
    "-0.00002288818359375",
    "100",
    "0.30000000000000004",
]


def cases():
    found = {}
    for name in sorted(os.listdir(HERE)):
        path = os.path.join(HERE, name)
        if not os.path.exists(os.path.join(path, "case.json")):
            continue
        with open(os.path.join(path, "case.json")) as file:
            case = json.load(file)
        if case["expect"] != "accepted":
            continue
        with open(os.path.join(path, "program.cbor"), "rb") as file:
            program_file = file.read()
        with open(os.path.join(path, "weights.safetensors"), "rb") as file:
            weights_file = file.read()
        program, end = cbor(program_file)
        assert end == len(program_file)
        tensors, runs = weights_of(weights_file), []
        for call in case["runs"]:
            values = run(program, tensors, call["ids"], call["inputs"])
            interface = program[3]
            outputs = [interface[2]] if program[1] == 0 else [output[1] for output in interface[1]]
            runs.append(
                {
                    "nodes": [tensor_digest(v.dimensions(), v.elements()).hex() for v in values],
                    "outputs": [values[i].elements()[:64] for i in outputs],
                }
            )
        found[name] = {
            "program_digest": sha256(SPEC + b"program\n", program_file).hex(),
            "weights_root": weights_root(weights_file).hex(),
            "runs": runs,
        }
    return found


def golden():
    deltas = (0, 1, 511, 1023, 1024, 1025, 10_000, 14_335, 14_336, 14_337, 15_360, 16_383, 16_384, 2**32)
    return {
        "tables": {
            "attention": sha256(b"".join(struct.pack("<H", p) for p in P)).hex(),
            "sampling": sha256(b"".join(struct.pack("<Q", e) for e in E)).hex(),
        },
        "rdiv": [[a, b, rdiv(a, b)] for a in (-7, -6, -5, -3, -1, 0, 1, 3, 5, 6, 7, 2**62 - 1) for b in (1, 2, 3, 4, 10)],
        "weights": [[d, weight(d)] for d in deltas],
        "draws": [[s, c, t, draw(s, c, t)] for s in (0, 1, 2**64 - 1) for c in (0, 2**32 - 1) for t in (0, 77)],
        "decimals": [{"text": t, "millionths": scaled(t, 10**6), "logit_units": scaled(t, 65536)} for t in DECIMALS],
        "sampler": sampler_cases(),
        "cases": cases(),
    }


def main():
    path = os.path.join(HERE, "golden.json")
    text = json.dumps(golden(), separators=(",", ":"), sort_keys=True).replace('},{"', '},\n{"') + "\n"
    if "--write" in sys.argv:
        with open(path, "w") as file:
            file.write(text)
        return 0
    with open(path) as file:
        same = file.read() == text
    print("golden.json:", "the same" if same else "DIFFERS")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
