#!/usr/bin/env python3
"""The second opinion on specs/01-receipt.md: digests, salts, commitments, trees and signatures, computed from the
text of the specification with hashlib, hmac and struct, and with no code of the Rust crate.

    python3 golden.py --write    writes golden.json, from fixed inputs and from the accepted cases in this folder
    python3 golden.py            compares; exit status 1 if anything differs

The Rust tests read golden.json and compare it with what the crate computes.
"""

import hashlib
import hmac
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = b"proofmark/receipt/1/"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u64(number):
    return struct.pack(">Q", number)


# --- 1: deterministic CBOR ---------------------------------------------------------------------------------------


def cbor(data, at=0):
    """One item at `at`: (value, end). Maps come as lists of (key, value, raw bytes of the value)."""
    first = data[at]
    major, info = first >> 5, first & 31
    at += 1
    if info < 24:
        number = info
    elif info < 28:
        width = 1 << (info - 24)
        number = int.from_bytes(data[at : at + width], "big")
        least = (24, 0x100, 0x10000, 0x100000000)[info - 24]
        assert number >= least and len(data) >= at + width, "a head that is longer than needed, or cut"
        at += width
    else:
        raise AssertionError("an indefinite length")
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        value = data[at : at + number]
        assert len(value) == number, "a string that is cut"
        return (value if major == 2 else value.decode("utf-8")), at + number
    if major == 4:
        items = []
        for _ in range(number):
            item, at = cbor(data, at)
            items.append(item)
        return items, at
    if major == 5:
        entries, last = [], b""
        for _ in range(number):
            start = at
            key, at = cbor(data, at)
            assert data[start:at] > last, "keys out of order"
            last = data[start:at]
            start = at
            value, at = cbor(data, at)
            entries.append((key, value, data[start:at]))
        return entries, at
    if major == 6:
        item, at = cbor(data, at)
        return ("tag", number, item), at
    return {20: False, 21: True, 22: None}[number], at


def whole(data):
    value, end = cbor(data)
    assert end == len(data), "bytes after the item"
    return value


def bstr(value):
    """Canonical CBOR of a byte string."""
    length = len(value)
    if length < 24:
        return bytes([0x40 | length]) + value
    if length < 0x100:
        return bytes([0x58, length]) + value
    if length < 0x10000:
        return b"\x59" + struct.pack(">H", length) + value
    return b"\x5a" + struct.pack(">I", length) + value


# --- 2, 3: keys and signatures -----------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0, "no point"
    return P - x if x % 2 != sign else x


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P)
    return x % P, y % P


def times(number, point):
    result = (0, 1)
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def point(encoded):
    number = int.from_bytes(encoded, "little")
    y = number & (2**255 - 1)
    assert y < P, "not canonical"
    return recover_x(y, number >> 255), y


BASE = (recover_x(4 * pow(5, P - 2, P) % P, 0), 4 * pow(5, P - 2, P) % P)


def ed25519_is_valid(public_key, message, signature):
    """RFC 8032 section 5.1.7, without the cofactor."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % ORDER
    return times(s, BASE) == add(point(r), times(k, point(public_key)))


def kid(suite, public_key):
    return sha256(SPEC + b"key\n", bytes([suite]), public_key)


def sign1(data):
    """A tagged COSE_Sign1: (protected, payload, signature, what is signed)."""
    tag, number, (protected, unprotected, payload, signature) = whole(data)
    assert (tag, number, unprotected) == ("tag", 18, [])
    to_sign = b"\x84\x6aSignature1" + bstr(protected) + bstr(b"") + bstr(payload)
    return protected, payload, signature, to_sign


# --- 5: digests and commitments ----------------------------------------------------------------------------------


def position_of(label):
    return {265: 0, 7: 1, 6: 2, 10: 3}.get(label, -label - 70000)


def claims_tree(values):
    """All levels over {position: canonical value}, leaves first."""
    level = [b"\0" * 32] * 64
    for position, value in values.items():
        level[position] = sha256(SPEC + b"claim\n", bytes([position]), value)
    levels = [level]
    while len(level) > 1:
        level = [sha256(b"\x01", level[i], level[i + 1]) for i in range(0, len(level), 2)]
        levels.append(level)
    return levels


def claims_digest(values):
    return claims_tree(values)[-1][0]


def opening(values, position):
    return [level[(position >> depth) ^ 1] for depth, level in enumerate(claims_tree(values)[:-1])]


def hkdf_expand(key, info):
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def prk(secret, receipt_id):
    return hmac.new(SPEC + b"secret\n" + receipt_id, secret, hashlib.sha256).digest()


def scope_key(the_prk, scope):
    return hkdf_expand(the_prk, SPEC + b"scope\n" + scope.encode())


def salt(key, name):
    return hkdf_expand(key, SPEC + b"salt\n" + name.encode())


def commit(the_salt, name, value):
    name = name.encode()
    return sha256(SPEC + b"field\n", u64(len(name)), name, the_salt, u64(len(value)), value)


def commit_in(key, name, value):
    return commit(salt(key, name), name, value)


def tree_root(commitments):
    """RFC 9162 section 2.1.1."""
    count = len(commitments)
    if count == 0:
        return sha256()
    if count == 1:
        return sha256(b"\0", commitments[0])
    left = 1
    while left * 2 < count:
        left *= 2
    return sha256(b"\x01", tree_root(commitments[:left]), tree_root(commitments[left:]))


def tree_path(commitments, index):
    """RFC 9162 section 2.1.3.1."""
    count = len(commitments)
    if count == 1:
        return []
    left = 1
    while left * 2 < count:
        left *= 2
    if index < left:
        return tree_path(commitments[:left], index) + [tree_root(commitments[left:])]
    return tree_path(commitments[left:], index - left) + [tree_root(commitments[:left])]


def root_from_path(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2: the root that a path leads to."""
    node, last, rest = sha256(b"\0", leaf), size - 1, list(path)
    assert index < size
    while last:
        if index % 2 or index == last:
            sibling = rest.pop(0)
            node = sha256(b"\x01", sibling, node)
            while index % 2 == 0 and last:
                index >>= 1
                last >>= 1
        else:
            node = sha256(b"\x01", node, rest.pop(0))
        index >>= 1
        last >>= 1
    assert not rest
    return node


def pieces(data, size=256):
    return [data[i : i + size] for i in range(0, len(data), size)]


def text_root(key, text):
    return tree_root([commit_in(key, "text/%d" % j, piece) for j, piece in enumerate(pieces(text))])


def token_root(key, prefix, ids):
    leaves = [struct.pack(">%dI" % len(chunk), *chunk) for chunk in pieces(ids)]
    return tree_root([commit_in(key, "%s/%d" % (prefix, j), leaf) for j, leaf in enumerate(leaves)])


def token_bytes_root(key, prefix, ids):
    """The same of ids that are given as one byte string."""
    return token_root(key, prefix, struct.unpack(">%dI" % (len(ids) // 4), ids))


def fields_root(key, fields):
    return tree_root([commit_in(key, "fields/" + name, value) for name, value in fields])


def stream_head(receipt_id, key, events):
    head = sha256(SPEC + b"stream\n", receipt_id)
    for k, event in enumerate(events, 1):
        head = sha256(SPEC + b"stream-step\n", head, commit_in(key, str(k), event))
    return head


# --- what stands in golden.json ----------------------------------------------------------------------------------


def golden_salts():
    out = []
    secret, receipt_id = bytes(range(32)), bytes.fromhex("01990000000070008000000000000001")
    other_id = bytes.fromhex("01990000000070008000000000000002")
    for an_id, a_secret in ((receipt_id, secret), (other_id, secret), (receipt_id, secret[::-1])):
        the_prk = prk(a_secret, an_id)
        scopes = []
        for scope in ("received", "forwarded", "answer", "attachments", "caller", "stream", "executed", "output/0"):
            key = scope_key(the_prk, scope)
            fields = []
            for name, value in (("raw", b"{}"), ("fields/messages/0", b'{"role":"user"}'), ("", b""), ("n" * 300, b"v" * 300)):
                fields.append(
                    {
                        "name": name,
                        "value": value.hex(),
                        "salt": salt(key, name).hex(),
                        "commitment": commit_in(key, name, value).hex(),
                    }
                )
            scopes.append({"scope": scope, "key": key.hex(), "fields": fields})
        out.append(
            {
                "id": an_id.hex(),
                "secret": a_secret.hex(),
                "content_key": hkdf_expand(the_prk, SPEC + b"content\n").hex(),
                "scopes": scopes,
            }
        )
    return out


def golden_trees():
    key = bytes([7]) * 32
    texts = [{"bytes": n, "root": text_root(key, bytes(i % 251 for i in range(n))).hex()} for n in (0, 1, 255, 256, 257, 2049)]
    tokens = [{"count": n, "root": token_root(key, "in", list(range(n))).hex()} for n in (0, 1, 256, 257, 1000)]
    fields = []
    for count in (0, 1, 2, 3, 5, 8, 13):
        leaves = [commit_in(key, "fields/%d" % i, b"%d" % i) for i in range(count)]
        fields.append(
            {
                "count": count,
                "root": tree_root(leaves).hex(),
                "paths": [[h.hex() for h in tree_path(leaves, i)] for i in range(count)],
            }
        )
    receipt_id = bytes.fromhex("01990000000070008000000000000001")
    streams = []
    for events in ([], [b"{}"], [b"{}", b"", b"x" * 5000]):
        streams.append({"events": [e.hex() for e in events], "head": stream_head(receipt_id, key, events).hex()})
    return {"scope_key": key.hex(), "id": receipt_id.hex(), "texts": texts, "tokens": tokens, "fields": fields, "streams": streams}


def parts_of(folder, case):
    """The parts of a bundle by number, or of a bare receipt."""
    with open(os.path.join(folder, case["file"]), "rb") as file:
        data = file.read()
    if data[0] == 0xD2:
        return {0: data}
    magic, parts = whole(data)
    assert magic == "proofmark:bundle:draft-1"
    return {key: value for key, value, _ in parts}


def check_signature(data, key):
    protected, payload, signature, to_sign = sign1(data)
    headers = {label: value for label, value, _ in whole(protected)}
    public_key = bytes.fromhex(key["public_key"])
    assert headers[1] in (-19, -8) and headers[4] == kid(key["suite"], public_key)
    assert ed25519_is_valid(public_key, to_sign, signature), "the signature"
    return payload


def body_fields(body):
    """The fields of a request (section 4.4). The bodies of these vectors are JSON as json.dumps writes it."""

    def text(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    members = json.loads(body)
    assert text(members) == body
    fields = []
    for name, value in members.items():
        escaped = name.replace("~", "~0").replace("/", "~1")
        is_split = name in ("messages", "tools", "input", "prompt") and isinstance(value, list) and value
        if is_split and not isinstance(value[0], (int, float)):
            fields += [("%s/%d" % (escaped, i), text(element)) for i, element in enumerate(value)]
        else:
            fields.append((escaped, text(value)))
    return fields


def opens(claims, disclosure):
    """Whether a disclosure opens what the claims commit to; `claims` are the values without provenance."""
    scope = disclosure[1]
    relayed = dict((key, value) for key, value, _ in claims.get(10, []))
    bodies = {"received": claims[8], "forwarded": relayed.get(2)}
    choices = {"output/%d" % choice[0]: choice for choice in claims[14]}
    if disclosure[0] == 1:
        _, _, tree, index, name, a_salt, value, path = disclosure
        if scope in bodies:
            size, root = bodies[scope][3], bodies[scope][2]
        elif tree == 0:
            size, root = choices[scope][3], choices[scope][4]
        else:
            size, root = -(-choices[scope][1] // 256), choices[scope][2]
        return root_from_path(commit(a_salt, name, value), index, size, path) == root
    key, values = disclosure[2], disclosure[3]
    if scope in bodies:
        fields = body_fields(values[0])
        return bodies[scope] == [len(values[0]), commit_in(key, "raw", values[0]), fields_root(key, fields), len(fields)]
    if scope == "answer":
        return relayed[6] == [len(values[0]), commit_in(key, "raw", values[0])]
    if scope == "caller":
        return claims[7] == commit_in(key, "api-key", values[0])
    if scope == "attachments":
        got = [[path, len(data), commit_in(key, path, data)] for path, data in values]
        return got == [[a[0], a[4], a[5]] for a in claims[9]]
    if scope == "executed":
        prompt, ids, given = values
        facts = dict((key, value) for key, value, _ in claims[13])
        committed = [parameter for parameter in facts[5] if isinstance(parameter[1], bytes)]
        return (
            facts[3] == commit_in(key, "prompt", prompt)
            and facts[4] == [len(ids) // 4, token_bytes_root(key, "in", ids)]
            and committed == [[name, commit_in(key, "parameters/" + name, value)] for name, value in given]
        )
    text, fields = values[:2]
    if len(values) == 3 and choices[scope][5] != [len(values[2]) // 4, token_bytes_root(key, "out", values[2])]:
        return False
    return choices[scope][1:5] == [len(text), text_root(key, text), len(fields), fields_root(key, fields)]


def golden_case(name, case):
    parts = parts_of(os.path.join(HERE, name), case)
    payload = check_signature(parts[0], case["keys"]["node"])
    entries = whole(payload)
    raw = {position_of(label): value for label, _, value in entries}
    claims = {position_of(label): value if label > 0 else value[1] for label, value, _ in entries}
    audit = claims.get(23, 0)
    digest = claims_digest(raw)
    statement = parts.get(1)
    if statement:
        check_signature(statement, case["keys"]["operator"])
    for disclosure in parts.get(8, []):
        assert opens(claims, disclosure), "a disclosure of " + disclosure[1]
    hex_id = claims[1].hex()
    return {
        "receipt_id": "-".join((hex_id[:8], hex_id[8:12], hex_id[12:16], hex_id[16:20], hex_id[20:])),
        "claims_digest": digest.hex(),
        "kid": claims[4][0].hex(),
        "key_statement_digest": sha256(SPEC + b"statement\n", statement).hex() if statement else None,
        "log_leaf": (bytes([1, claims[22][1], claims[22][2], audit]) + digest).hex(),
    }


def cases():
    for name in sorted(os.listdir(HERE)):
        path = os.path.join(HERE, name, "case.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                case = json.load(file)
            if case["format"] == "bundle" and case["expect"] == "accepted":
                yield name, case


def golden():
    values = {0: b"\x00", 1: b"\x41\xff", 63: bstr(b"last")}
    out = {
        "kids": [
            {"suite": suite, "public_key": (bytes([suite]) * length).hex(), "kid": kid(suite, bytes([suite]) * length).hex()}
            for suite, length in ((1, 32), (2, 33), (3, 33), (4, 1952))
        ],
        "claims_trees": [
            {
                "values": {str(p): v.hex() for p, v in values.items()},
                "digest": claims_digest(values).hex(),
                "paths": {str(p): [h.hex() for h in opening(values, p)] for p in values},
            }
        ],
        "evidence_digest": {"data": b"a trace".hex(), "digest": sha256(SPEC + b"evidence\n", b"a trace").hex()},
        "salts": golden_salts(),
        "trees": golden_trees(),
        "cases": {},
    }
    for name, case in cases():
        facts = golden_case(name, case)
        assert facts == case["facts"], "%s: %s is not %s" % (name, case["facts"], facts)
        out["cases"][name] = facts
    return json.dumps(out, indent=1, sort_keys=True) + "\n"


def main():
    path = os.path.join(HERE, "golden.json")
    text = golden()
    if "--write" in sys.argv[1:]:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return 0
    with open(path, encoding="utf-8") as file:
        if file.read() == text:
            return 0
    print("golden.json is not what this script computes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
