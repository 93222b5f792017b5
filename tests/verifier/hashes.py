"""Hashes of a method, framed hashes and trees: METHOD.md, "Framed hash" and "Trees"."""

import hashlib

MASK = 0xFFFFFFFF


def rotate(x, n):
    n %= 32
    return ((x << n) | (x >> (32 - n))) & MASK


def sm3(data):
    """SM3 of GB/T 32905-2016, for Pythons whose OpenSSL lacks it."""
    v = [0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E]
    data = data + b"\x80" + b"\0" * (-(len(data) + 9) % 64) + (8 * len(data)).to_bytes(8, "big")
    for at in range(0, len(data), 64):
        w = [int.from_bytes(data[i : i + 4], "big") for i in range(at, at + 64, 4)]
        for j in range(16, 68):
            x = w[j - 16] ^ w[j - 9] ^ rotate(w[j - 3], 15)
            w.append(x ^ rotate(x, 15) ^ rotate(x, 23) ^ rotate(w[j - 13], 7) ^ w[j - 6])
        a, b, c, d, e, f, g, h = v
        for j in range(64):
            t = 0x79CC4519 if j < 16 else 0x7A879D8A
            ss1 = rotate((rotate(a, 12) + e + rotate(t, j)) & MASK, 7)
            ss2 = ss1 ^ rotate(a, 12)
            ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
            gg = e ^ f ^ g if j < 16 else (e & f) | (~e & MASK & g)
            tt1 = (ff + d + ss2 + (w[j] ^ w[j + 4])) & MASK
            tt2 = (gg + h + ss1 + w[j]) & MASK
            a, b, c, d = tt1, a, rotate(b, 9), c
            e, f, g, h = tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17), e, rotate(f, 19), g
        v = [x ^ y for x, y in zip(v, (a, b, c, d, e, f, g, h))]
    return b"".join(x.to_bytes(4, "big") for x in v)


class Hash:
    """The hash that a policy names; the log always has SHA-256."""

    def __init__(self, name="sha-256"):
        if name == "sha-256":
            self.of = lambda data: hashlib.sha256(data).digest()
        elif name == "sm3":
            known = "sm3" in hashlib.algorithms_available
            self.of = (lambda data: hashlib.new("sm3", data).digest()) if known else sm3
        else:
            raise ValueError(f"policy.hash is {name!r}; expected sha-256 or sm3")

    def framed(self, domain, *fields):
        """The hash of the domain and the fields, each preceded by its length."""
        parts = []
        for field in (domain.encode(),) + fields:
            parts += [len(field).to_bytes(8, "little"), field]
        return self.of(b"".join(parts))

    def leaf(self, data):
        return self.of(b"\0" + data)

    def node(self, left, right):
        return self.of(b"\1" + left + right)

    def root(self, leaves):
        """The root of RFC 9162 over hashed leaves."""
        if not leaves:
            return self.of(b"")
        while len(leaves) > 1:
            # Level by level; what is left over at the end goes up as it is.
            pairs = [self.node(a, b) for a, b in zip(leaves[::2], leaves[1::2])]
            leaves = pairs + leaves[len(pairs) * 2 :]
        return leaves[0]

    def root_from(self, leaf, index, size, proof):
        """The root that an inclusion proof leads to; None if it has not the right length."""
        if index >= size:
            return None
        place, last, found = index, size - 1, leaf
        for sibling in proof:
            if last == 0:
                return None
            if place & 1 or place == last:
                found = self.node(sibling, found)
                while not place & 1 and place:
                    place >>= 1
                    last >>= 1
            else:
                found = self.node(found, sibling)
            place >>= 1
            last >>= 1
        return found if last == 0 else None
