"""Dimensions, families of totals and quota rows: METHOD.md, "Families", and PLAN.md, "Rows"."""

import itertools
from fractions import Fraction

BATCH = 1 << 32
LEVELS = ["province", "city", "county"]
CHANNELS = ["production", "circulation", "online"]
AREAS = ["urban", "rural"]
CLOSED = {"level", "authority", "city", "county"}
OF_PRODUCT = {"category", "key_group", "risk", "key", "licence", "ccc"}
DIMS = [
    "level", "authority", "city", "county", "area", "channel", "product", "category", "key_group",
    "tier", "risk", "cluster", "key", "licence", "ccc", "accident",
]


class Table:
    """Cells and arcs of a plan with what each dimension says of them."""

    def __init__(self, plan):
        self.frame = plan["frame"]
        self.cells = plan["allocation"]["cells"]
        self.arcs = plan["allocation"]["arcs"]
        self.authorities = plan["allocation"]["authorities"]
        self.policy = plan["policy"]
        self.cell_count = len(self.cells["units"])
        self.arc_count = len(self.arcs["cell"])
        self.start = [0] * (self.cell_count + 1)
        for cell in self.arcs["cell"]:
            self.start[cell + 1] += 1
        for cell in range(self.cell_count):
            self.start[cell + 1] += self.start[cell]
        place = {(a["level"], a["authority"]): i for i, a in enumerate(self.authorities)}
        counties = self.frame["counties"]
        of_county = [
            [place.get((LEVELS[0], c[:2])), place.get((LEVELS[1], c[:4])), place.get((LEVELS[2], c))]
            for c in counties
        ]
        county = self.cells["county"]
        self.arc_authority = [
            of_county[county[cell]][level]
            for cell, level in zip(self.arcs["cell"], self.arcs["level"])
        ]
        self.known = {}

    def dim(self, name):
        """The names of a dimension's values, and the value of every cell or of every arc."""
        if name not in self.known:
            self.known[name] = self.make(name)
        return self.known[name]

    def make(self, name):
        cells, frame = self.cells, self.frame
        if name == "level":
            return LEVELS, None, self.arcs["level"]
        if name == "channel":
            return CHANNELS, None, self.arcs["channel"]
        if name == "authority":
            return [a["authority"] for a in self.authorities], None, self.arc_authority
        if name in ("city", "county"):
            digits = 4 if name == "city" else 6
            codes = sorted({c[:digits] for c in frame["counties"]})
            place = {code: i for i, code in enumerate(codes)}
            of = [place[c[:digits]] for c in frame["counties"]]
            return codes, [of[c] for c in cells["county"]], None
        if name == "area":
            return AREAS, cells["area"], None
        if name == "tier":
            return frame["tiers"], cells["tier"], None
        if name == "cluster":
            return frame["clusters"], cells["cluster"], None
        if name == "accident":
            return ["false", "true"], cells["accident"], None
        if name.startswith("x_"):
            return frame["attributes"][name], cells["attributes"][name], None
        field = {"product": "product_id"}.get(name, name)

        def text(product):
            value = product[field]
            return ("true" if value else "false") if isinstance(value, bool) else value

        texts = [text(product) for product in frame["products"]]
        names = sorted(set(texts), key=lambda t: t.encode())
        place = {value: i for i, value in enumerate(names)}
        of = [place[value] for value in texts]
        return names, [of[p] for p in cells["product"]], None

    def by_arc(self, name):
        names, of_cell, of_arc = self.dim(name)
        if of_arc is None:
            of_arc = [of_cell[cell] for cell in self.arcs["cell"]]
        return names, of_arc


class Family:
    """Nodes of one family: depth by depth, inside a depth by their values."""

    def __init__(self, table, dims, cells):
        items = table.cell_count if cells else table.arc_count
        leaf = [0] * items
        self.parent = [0]
        # The node of every item at every depth.
        self.at_depth = [list(leaf)]
        for name in dims:
            names, of_cell, _ = table.dim(name)
            values = of_cell if cells else table.by_arc(name)[1]
            size = len(names)
            self.split(leaf, [node * size + value for node, value in zip(leaf, values)], size)
        if cells:
            self.split(leaf, [node * items + item for item, node in enumerate(leaf)], items)
        self.leaf = leaf

    def split(self, leaf, keys, size):
        place = {}
        for key in sorted(set(keys)):
            place[key] = len(self.parent)
            self.parent.append(key // size)
        for item, key in enumerate(keys):
            leaf[item] = place[key]
        self.at_depth.append(list(leaf))


def matches(dim, wanted, name):
    if dim == "category":
        return any(name == w or name.startswith(w + "/") for w in wanted)
    return name in wanted


class Rows:
    """The rows of one quota in one grouping."""

    def __init__(self, table, quota, grouping):
        self.dims = [] if grouping == "plan" else grouping.split("/")
        where = quota.get("where", {})
        count = table.arc_count
        passes = [True] * count
        for dim, wanted in where.items():
            names, of_arc = table.by_arc(dim)
            selected = [matches(dim, wanted, name) for name in names]
            passes = [p and selected[v] for p, v in zip(passes, of_arc)]
        numbers = [0] * count
        sizes = []
        for dim in self.dims:
            names, of_arc = table.by_arc(dim)
            size = len(names)
            sizes.append(size)
            numbers = [n * size + v for n, v in zip(numbers, of_arc)]
        said = {
            dim: wanted
            for dim, wanted in where.items()
            if dim in CLOSED
            or dim in self.dims
            or ("product" in self.dims and dim in OF_PRODUCT)
        }
        if all(dim in CLOSED for dim in self.dims):
            present = closed_groups(table, self.dims, sizes, said)
        else:
            speaks = [True] * count
            for dim, wanted in said.items():
                names, of_arc = table.by_arc(dim)
                selected = [matches(dim, wanted, name) for name in names]
                speaks = [p and selected[v] for p, v in zip(speaks, of_arc)]
            present = sorted({n for n, p in zip(numbers, speaks) if p})
        self.groups = []
        place = {}
        for number in present:
            values, rest = [], number
            for size in reversed(sizes):
                values.append(rest % size)
                rest //= size
            values.reverse()
            place[number] = len(self.groups)
            self.groups.append(values)
        self.names = [
            "/".join(table.dim(dim)[0][value] for dim, value in zip(self.dims, values))
            for values in self.groups
        ]
        group = [place.get(n) for n in numbers]
        self.of_arc = [g if p else None for g, p in zip(group, passes)]
        self.units = [0] * len(self.groups)
        for cell in range(table.cell_count):
            first, last = table.start[cell], table.start[cell + 1]
            for g in set(self.of_arc[first:last]):
                if g is not None:
                    self.units[g] += table.cells["units"][cell]
        base = quota.get("of") or grouping
        base_dims = [] if base == "plan" else base.split("/")
        self.fixed = None
        if all(dim in ("level", "authority") for dim in base_dims):
            self.fixed = [self.fixed_base(table, base_dims, values) for values in self.groups]
        self.rest_of_arc = None
        if self.fixed is None and any(isinstance(quota.get(k), str) for k in ("min", "max")):
            self.rest_of_arc = [None if p else g for g, p in zip(group, passes)]
        self.limits = [("min", quota.get("min")), ("max", quota.get("max"))]
        self.rates = [("min", quota.get("min_rate")), ("max", quota.get("max_rate"))]

    def fixed_base(self, table, base_dims, values):
        known = {dim: v for dim, v in zip(self.dims, values) if dim in base_dims}
        total = 0
        for place, authority in enumerate(table.authorities):
            level = LEVELS.index(authority["level"])
            if known.get("level", level) == level and known.get("authority", place) == place:
                total += authority["batches"]
        return total


def closed_groups(table, dims, sizes, said):
    """Numbers of the groups that some consistent combination passing `said` has."""
    every = sorted(set(dims) | set(said))
    names = {dim: table.dim(dim)[0] for dim in every}
    found = set()
    for values in itertools.product(*(range(len(names[dim])) for dim in every)):
        known = dict(zip(every, values))
        if all(matches(dim, wanted, names[dim][known[dim]]) for dim, wanted in said.items()):
            if consistent(table, every, values):
                number = 0
                for dim, size in zip(dims, sizes):
                    number = number * size + known[dim]
                found.add(number)
    return sorted(found)


def consistent(table, dims, values):
    known = dict(zip(dims, values))
    budget = table.policy["budget"]
    level = known.get("level")
    authority = table.authorities[known["authority"]] if "authority" in known else None
    code = {d: table.dim(d)[0][known[d]] for d in ("city", "county") if d in known}
    if level is not None:
        if not budget.get(LEVELS[level]):
            return False
        if authority and authority["level"] != LEVELS[level]:
            return False
    if "city" in code and "county" in code and code["county"][:4] != code["city"]:
        return False
    if authority:
        own = authority["authority"]
        if "city" in code:
            city = code["city"]
            if not (city.startswith(own) or own.startswith(city)):
                return False
        if "county" in code and not code["county"].startswith(own):
            return False
    return True


def share(text):
    """A share as an exact fraction: `30%` or a decimal."""
    return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)


def part(side, ratio, base):
    exact = ratio * base
    return -(-exact.numerator // exact.denominator) if side == "min" else exact.numerator // exact.denominator


def nodes_of(family, depth, of_arc, item_of_arc):
    """The group of every node of a depth that counts, or an error if a node is split."""
    if depth == len(family.at_depth):
        raise ValueError("no such depth")
    of_item = family.at_depth[depth]
    group = {}
    for arc, own in enumerate(of_arc):
        node = of_item[item_of_arc[arc]]
        if group.setdefault(node, own) != own:
            raise ValueError(f"node {node} of depth {depth} is split by a row")
    return group
