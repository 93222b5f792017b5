"""Signed notes (C2SP) with Ed25519 (RFC 8032): PROTOCOL.md, "The log"."""

import base64
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return (P - x if x & 1 != sign else x), y


def point(data):
    number = int.from_bytes(data, "little")
    found = recover(number & (2**255 - 1), number >> 255)
    return found and (found[0], found[1], 1, found[0] * found[1] % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, p):
    found = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = add(found, p)
        p = add(p, p)
        scalar >>= 1
    return found


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(public, message, signature):
    """Whether an Ed25519 signature is of the key."""
    key, start = point(public), point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or start is None or len(signature) != 64 or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    left = times(scalar, BASE)
    right = add(start, times(int.from_bytes(digest, "little") % ORDER, key))
    return not (left[0] * right[2] - right[0] * left[2]) % P and not (
        left[1] * right[2] - right[1] * left[2]
    ) % P


def note_text(note, key):
    """The text of a note that is signed by the key `name+id+base64`; ValueError if it is not."""
    name, _, encoded = key.split("+", 2)
    public = base64.b64decode(encoded)
    if public[0] != 1 or len(public) != 33:
        raise ValueError("no key of Ed25519")
    mark = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, _, rest = line.partition(" ")
        who, _, encoded = rest.rpartition(" ")
        data = base64.b64decode(encoded)
        if dash == "\u2014" and who == name and data[:4] == mark:
            if signed(public[1:], text.encode(), data[4:]):
                return text
            raise ValueError("a signature is wrong")
    raise ValueError(f"not signed by {name}")
