"""The draw key and ChaCha20 streams: METHOD.md, "Seed, keys, streams"."""

from array import array

MASK32 = 0xFFFFFFFF


class Key:
    """A draw key, or a sub-key that takes its place."""

    def __init__(self, hash_, key):
        self.hash = hash_
        self.key = key

    @staticmethod
    def of(hash_, seed, input_digest):
        return Key(hash_, hash_.framed("spotcheck/m1/draw", seed, input_digest))

    def public_hash(self):
        return self.hash.framed("spotcheck/m1/draw-key-hash", self.key)

    def sub_key(self, label):
        return self.hash.framed("spotcheck/m1/sub-key", self.key, label.encode())

    def derive(self, label):
        return Key(self.hash, self.sub_key(label))

    def lots(self, label):
        """The function that gives a unit's lot under the sub-key of a label."""
        sub_key, of = self.sub_key(label), self.hash.of
        return lambda unit_id: of(sub_key + unit_id.encode()).hex()

    def stream(self, label):
        return Stream(self.sub_key(label))


class Lanes:
    """ChaCha20 for many blocks at once: every word of the state is one big integer that holds
    that word of all blocks, a lane of 64 bits each."""

    def __init__(self, lanes):
        self.lanes = lanes
        self.ones = sum(1 << (64 * lane) for lane in range(lanes))
        self.mask = self.ones * MASK32
        self.count = sum(lane << (64 * lane) for lane in range(lanes))

    def words(self, key, first):
        """The keystream of `lanes` blocks from number `first` on, as words of 64 bits."""
        ones, mask = self.ones, self.mask
        constants = b"expand 32-byte k"
        start = [int.from_bytes(constants[i : i + 4], "little") * ones for i in range(0, 16, 4)]
        start += [int.from_bytes(key[i : i + 4], "little") * ones for i in range(0, 32, 4)]
        # The counter has 64 bits; nobody takes 2^32 blocks here.
        start += [(self.count + first * ones) & mask, 0, 0, 0]
        x = list(start)

        def quarter(a, b, c, d):
            xa, xb, xc, xd = x[a], x[b], x[c], x[d]
            xa = (xa + xb) & mask
            xd ^= xa
            xd = ((xd << 16) | (xd >> 16)) & mask
            xc = (xc + xd) & mask
            xb ^= xc
            xb = ((xb << 12) | (xb >> 20)) & mask
            xa = (xa + xb) & mask
            xd ^= xa
            xd = ((xd << 8) | (xd >> 24)) & mask
            xc = (xc + xd) & mask
            xb ^= xc
            xb = ((xb << 7) | (xb >> 25)) & mask
            x[a], x[b], x[c], x[d] = xa, xb, xc, xd

        for _ in range(10):
            quarter(0, 4, 8, 12)
            quarter(1, 5, 9, 13)
            quarter(2, 6, 10, 14)
            quarter(3, 7, 11, 15)
            quarter(0, 5, 10, 15)
            quarter(1, 6, 11, 12)
            quarter(2, 7, 8, 13)
            quarter(3, 4, 9, 14)
        out = [(a + b) & mask for a, b in zip(x, start)]
        columns = []
        for pair in range(0, 16, 2):
            both = out[pair] | (out[pair + 1] << 32)
            column = array("Q")
            column.frombytes(both.to_bytes(8 * self.lanes, "little"))
            columns.append(column)
        return [word for block in zip(*columns) for word in block]


SMALL, LARGE = Lanes(16), Lanes(512)


class Stream:
    """Words of a keystream, and integers below a bound."""

    def __init__(self, sub_key):
        self.sub_key = sub_key
        self.block = 0
        self.words = []
        self.at = 0

    def word(self):
        if self.at == len(self.words):
            lanes = SMALL if self.block < 64 else LARGE
            self.words = lanes.words(self.sub_key, self.block)
            self.block += lanes.lanes
            self.at = 0
        word = self.words[self.at]
        self.at += 1
        return word

    def below(self, bound):
        if bound == 1:
            return 0
        mask = (1 << (bound - 1).bit_length()) - 1
        while True:
            value = self.word() & mask
            if value < bound:
                return value

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
