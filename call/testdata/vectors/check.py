#!/usr/bin/env python3
"""check.py [frames.json]: decodes the vectors beside this file without any
code of alknet and compares. Sections are those of docs/wire/call.md."""
import json
import os
import sys

LIMIT, MAX_ID, MAX_DEPTH = 64 << 20, 256, 128


class Refused(Exception):
    pass


class Number(str):
    """A number as it is written."""


def inspect(value, depth=0):
    if isinstance(value, str):
        value.encode()  # fails for lone surrogates
    elif isinstance(value, (dict, list)):
        if depth == MAX_DEPTH:
            raise Refused("too deep")
        for part in value:
            inspect(part, depth + 1)
            if isinstance(value, dict):
                inspect(value[part], depth + 1)


def members(pairs):
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused("a name twice")
    return dict(pairs)


def constant(name):
    raise Refused(name + " is no number")


def parse(body):
    """Section 3.2."""
    try:
        value = json.loads(body.decode(), parse_int=Number, parse_float=Number,
                           parse_constant=constant, object_pairs_hook=members)
        inspect(value)
    except (ValueError, RecursionError) as err:
        raise Refused(str(err)) from err
    return value


def envelope(body):
    """Section 3.3."""
    e = parse(body)
    if type(e) is not dict or not {"type", "id", "payload"} <= e.keys():
        raise Refused("not an envelope")
    if type(e["type"]) is not str or type(e["id"]) is not str:
        raise Refused("type and id are strings")
    if len(e["id"].encode()) > MAX_ID:
        raise Refused("the id is too long")
    return {name: e[name] for name in ("type", "id", "payload")}


def request(payload):
    """Sections 4.2 and 4.3."""
    p = payload if type(payload) is dict else {}
    name = p.get("operationId")
    r = {"operation": name.removeprefix("/") if type(name) is str else ""}
    for member in ("input", "auth_token", "forwarded_for", "window"):
        if member in p:
            r[member] = p[member]
    return r


def decode(stream):
    """The envelopes of one direction, and why it was not read to its end."""
    found, at = [], 0
    while at < len(stream):
        length = int.from_bytes(stream[at:at + 4], "big")
        if len(stream) - at < 4:
            return found, "truncated"
        if not 1 <= length <= LIMIT:
            return found, "length"
        body = stream[at + 4:at + 4 + length]
        if len(body) < length:
            return found, "truncated"
        try:
            found.append(envelope(body))
        except Refused:
            return found, "malformed"
        at += 4 + length
    return found, None


def expected(want):
    w = dict(want, payload=parse(want["payload"].encode()))
    if "request" in w:
        r = w["request"] = dict(w["request"])
        r.update({m: parse(r[m].encode()) for m in ("input", "forwarded_for") if m in r})
        r.update({"window": Number(r["window"])} if "window" in r else {})
    return w


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "frames.json")
    with open(path, encoding="utf-8") as f:
        vectors = json.load(f)
    failed = 0
    for v in vectors:
        found, error = decode(bytes.fromhex(v["hex"]))
        for e in found:
            if e["type"] == "call.requested":
                e["request"] = request(e["payload"])
        if found != [expected(w) for w in v["want"]] or error != v.get("error"):
            failed += 1
            print(f"{v['name']} (section {v['section']}): {error}, {found}")
    print(f"{len(vectors)} vectors, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
