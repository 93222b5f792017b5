"""The expected batches, found again from cells, arcs and policy: METHOD.md, "Expected batches".

Slow: for small plans. No sum() of floats, whose rounding is not that of repeated addition."""

import sys

from tables import BATCH, CHANNELS, Family, Rows, share

CHUNK = 1 << 14
HELD = float(1 << 20)
MOST = sys.float_info.max


def add_up(values):
    total = 0.0
    for value in values:
        total += value
    return total


def held(factor):
    return min(max(factor, 1.0 / HELD), HELD)


def over(number, dual):
    """A quotient as IEEE 754 has it: a dual can become 0 where a row leaves nothing."""
    return number / dual if dual else float("inf")


def scale(own, rest, dual, bounds):
    """The factors for own and rest arcs of a group; the duals take them over."""
    free, other = over(own, dual[0]), over(rest, dual[1])
    if bounds[0] == "sum":
        _, low, high = bounds
        if own <= 0:
            return 1.0, 1.0
        step = held(min(max(free, low), max(high, low)) / own), 1.0
    else:
        _, (s, t), (s2, t2) = bounds
        if own <= 0 or rest <= 0:
            return 1.0, 1.0
        base = free + other
        least, most = min(s * base + t, base), max(s2 * base - t2, 0.0)
        wanted = max(min(free, most), least)
        step = held(wanted / own), held((base - wanted) / rest)
    dual[0] *= step[0]
    dual[1] *= step[1]
    return step


class Band:
    def __init__(self, own, rest, bounds):
        self.own, self.rest, self.bounds = own, rest, bounds


class Fit:
    def __init__(self, x, bands, table, low, units):
        self.x, self.bands, self.table = x, bands, table
        self.low, self.units = low, units
        self.duals = [[[1.0, 1.0] for _ in band.bounds] for band in bands]
        self.cell_duals = [[1.0, 1.0] for _ in units]
        limit = min(max(len(x) // 8, 64), 1 << 14)
        self.blocks = []
        for place, band in enumerate(bands):
            block = self.blocks[-1] if self.blocks else None
            joined = block and self.joined(block, band, limit)
            if not joined:
                block = {"of_arc": [0] * len(x), "count": 1, "places": [], "columns": []}
                self.blocks.append(block)
                joined = self.joined(block, band, None)
            of_arc, combinations, columns = joined
            old = [combination[0] for combination in combinations]
            for column in block["columns"]:
                column[0] = [column[0][o] for o in old]
                column[1] = column[1] and [column[1][o] for o in old]
            back = lambda group: None if group == 0 else group - 1
            own = [back(combination[1]) for combination in combinations]
            rest = [back(combination[2]) for combination in combinations] if band.rest else None
            block.update(of_arc=of_arc, count=len(combinations))
            block["places"].append(place)
            block["columns"].append([own, rest])

    def joined(self, block, band, limit):
        groups = len(band.bounds) + 1
        if limit is not None and block["count"] * groups * (groups if band.rest else 1) > 1 << 24:
            return None
        number = lambda group: 0 if group is None else group + 1
        rest = band.rest or [None] * len(band.own)
        keys = [
            (s, number(o), number(r)) for s, o, r in zip(block["of_arc"], band.own, rest)
        ]
        combinations = sorted(set(keys))
        if limit is not None and len(combinations) > limit:
            return None
        place = {key: i for i, key in enumerate(combinations)}
        return [place[key] for key in keys], combinations, None

    def sweep(self, times):
        for _ in range(times):
            for number, block in enumerate(self.blocks):
                if number + 1 == len(self.blocks):
                    self.scale_cells()
                factor = self.factors(block)
                of_arc = block["of_arc"]
                self.x = [value * factor[s] for value, s in zip(self.x, of_arc)]

    def scale_cells(self):
        start, x = self.table.start, self.x
        for cell, dual in enumerate(self.cell_duals):
            first, last = start[cell], start[cell + 1]
            total = add_up(x[first:last])
            step, _ = scale(total, 0.0, dual, ("sum", self.low[cell], self.units[cell]))
            if step != 1.0:
                for arc in range(first, last):
                    x[arc] *= step

    def factors(self, block):
        start, count = self.table.start, block["count"]
        sums = [0.0] * count
        for first in range(0, len(self.units), CHUNK):
            last = min(first + CHUNK, len(self.units))
            own = [0.0] * count
            for arc in range(start[first], start[last]):
                own[block["of_arc"][arc]] += self.x[arc]
            for s in range(count):
                sums[s] += own[s]
        factor = [1.0] * count
        for _ in range(6):
            for place, (own, rest) in zip(block["places"], block["columns"]):
                bounds = self.bands[place].bounds
                totals = [[0.0, 0.0] for _ in bounds]
                for side, column in ((0, own), (1, rest or [])):
                    for s, group in enumerate(column):
                        if group is not None:
                            totals[group][side] += sums[s] * factor[s]
                steps = [
                    scale(total[0], total[1], dual, bound)
                    for total, dual, bound in zip(totals, self.duals[place], bounds)
                ]
                for side, column in ((0, own), (1, rest or [])):
                    for s, group in enumerate(column):
                        if group is not None:
                            factor[s] *= steps[group][side]
        return factor


class Partition:
    """The rows of a quota in a grouping, with their limits and the nodes that they are sums of."""

    def __init__(self, table, quota, grouping, families, place):
        rows = Rows(table, quota, grouping)
        self.own, self.rest, self.firm = rows.of_arc, rows.rest_of_arc, quota["hardness"] != "target"
        self.limits = []
        for g in range(len(rows.groups)):
            limits = []
            for side, bound in rows.limits:
                if isinstance(bound, int):
                    limits.append((side, bound, None))
                elif bound is not None and rows.fixed is not None:
                    limits.append((side, whole(side, share(bound), rows.fixed[g]), None))
                elif bound is not None:
                    limits.append((side, None, share(bound)))
            for side, rate in rows.rates:
                if rate is not None:
                    limits.append((side, whole(side, share(rate), rows.units[g]), None))
            self.limits.append(limits)
        family, depth = place
        of_item = (
            families[family].at_depth[depth]
            if depth < len(families[family].at_depth)
            else list(range(table.arc_count))
        )
        items = table.arcs["cell"] if family == 0 else range(table.arc_count)
        node_of = [of_item[item] for item in items]
        edge = edges_of(table, families, family, depth)
        self.members = {edge(node): g for node, g in zip(node_of, self.own) if g is not None}
        rest = zip(node_of, self.rest) if self.rest else []
        self.rest_members = {edge(node): g for node, g in rest if g is not None}
        self.tighter = [[0.0, 0.0] for _ in rows.groups]

    def bounds(self):
        found = []
        for limits, (less, more) in zip(self.limits, self.tighter):
            if self.rest is not None:
                low, high = (0.0, 0.0), (1.0, 0.0)
                for side, _, s in limits:
                    if s is not None and side == "min":
                        low = (s.numerator / s.denominator, less)
                    elif s is not None:
                        high = (s.numerator / s.denominator, more)
                found.append(("share", low, high))
                continue
            low, high = 0.0, MOST
            for side, n, _ in limits:
                if side == "min":
                    low = max(low, float(n) + less)
                else:
                    high = min(high, float(n) - more)
            found.append(("sum", low, max(high, 0.0)))
        return found

    def spans(self, values, near):
        spans = [[[0, 0, 0, 0], [0, 0, 0, 0]] for _ in self.limits]
        for which, members in enumerate((self.members, self.rest_members)):
            for edge, g in members.items():
                value, span = values[edge], spans[g][which]
                rest = value % BATCH
                span[0] += value
                span[1] += value // BATCH + (rest > 0 and BATCH - rest <= near)
                span[2] += value // BATCH + (rest > near)
                span[3] += 1
        return spans


def whole(side, ratio, base):
    exact = ratio * base
    low = exact.numerator // exact.denominator
    return -(-exact.numerator // exact.denominator) if side == "min" else low


def holds(limit, span):
    (side, n, s), (own, rest) = limit, span
    if s is None:
        return own[1] >= n if side == "min" else own[2] <= n
    if side == "min":
        return (1 - s) * own[1] >= s * rest[2]
    return (1 - s) * own[2] <= s * rest[1]


def lacks(limit, span):
    (side, n, s), (own, rest) = limit, span
    if s is None:
        return float(n) - float(own[1]) if side == "min" else float(own[2]) - float(n)
    s = s.numerator / s.denominator
    if side == "min":
        return s * float(rest[2]) - (1.0 - s) * float(own[1])
    return (1.0 - s) * float(own[2]) - s * float(rest[1])


def kept_by(limit, span):
    (side, n, s), (own, rest) = limit, span
    own, rest = float(own[0]) / float(BATCH), float(rest[0]) / float(BATCH)
    if s is None:
        kept = own - float(n)
    else:
        s = s.numerator / s.denominator
        kept = (1.0 - s) * own - s * rest
    return kept if side == "min" else -kept


def edges_of(table, families, family, depth):
    """The edge of a node, or of an arc."""
    first, second = (len(f.parent) for f in families)
    if family == 1 and depth == len(families[1].at_depth):
        return lambda arc: first + second - 2 + arc
    last = first + second - 2 + table.arc_count
    if family == 0:
        return lambda node: last if node == 0 else node - 1
    return lambda node: last if node == 0 else first - 1 + node - 1


class Search:
    def __init__(self, plan, table):
        self.table, self.policy = table, plan["policy"]
        names = plan["certificate"]["families"]
        self.families = [Family(table, names[0], True), Family(table, names[1], False)]
        shown, at, self.partitions = plan["certificate"]["rows"], 0, []
        for quota in self.policy["quota"]:
            for grouping in quota["each"]:
                place = shown[at]["family"], shown[at]["depth"]
                one = Partition(table, quota, grouping, self.families, place)
                at += sum(len(limits) for limits in one.limits)
                self.partitions.append(one)
        self.network()
        self.bounds(plan)
        self.pinned = []

    def network(self):
        table, (first, second) = self.table, self.families
        offset = len(first.parent)
        self.tail = [first.parent[node] for node in range(1, offset)]
        self.head = list(range(1, offset))
        for node in range(1, len(second.parent)):
            self.tail.append(offset + node)
            self.head.append(offset + second.parent[node])
        self.arcs_from = len(self.tail)
        for arc, cell in enumerate(table.arcs["cell"]):
            self.tail.append(first.leaf[cell])
            self.head.append(offset + second.leaf[arc])
        self.tail.append(offset)
        self.head.append(0)
        self.nodes = offset + len(second.parent)
        self.ends = [[] for _ in range(self.nodes)]
        for edge, (tail, head) in enumerate(zip(self.tail, self.head)):
            self.ends[tail].append((edge, False, head))
            self.ends[head].append((edge, True, tail))

    def bounds(self, plan):
        table, cells = self.table, self.table.cells
        self.low, self.high = [0] * len(self.tail), [(1 << 64) - 1] * len(self.tail)
        floor, batches, total = share(self.policy["floor"]), plan["plan"]["batches"], plan["frame"]["units"]
        self.floors = []
        for cell, units in enumerate(cells["units"]):
            most = units * BATCH
            low = -(-(floor.numerator * most * batches) // (floor.denominator * total))
            low = 0 if self.policy.get("keep") else min(max(low, 1), most)
            low = most if cells["certain"][cell] else low
            edge = self.families[0].leaf[cell] - 1
            self.low[edge], self.high[edge] = low, most
            self.floors.append(low / float(BATCH))
        edge = edges_of(table, self.families, 1, 2)
        for arc, node in enumerate(self.families[1].at_depth[2]):
            own = table.authorities[table.arc_authority[arc]]["batches"] * BATCH
            self.low[edge(node)] = self.high[edge(node)] = own
        for one in self.partitions:
            if not one.firm or one.rest is not None:
                continue
            counts = {}
            for g in one.members.values():
                counts[g] = counts.get(g, 0) + 1
            for number, g in one.members.items():
                for side, n, _ in one.limits[g]:
                    if side == "max":
                        self.high[number] = min(self.high[number], n * BATCH)
                    elif counts[g] == 1:
                        self.low[number] = max(self.low[number], n * BATCH)

    def target(self):
        table, cells, arcs = self.table, self.table.cells, self.table.arcs
        weight = self.policy["weights"].get("channel", {})
        score, sums = [], [0.0] * len(table.authorities)
        for arc, cell in enumerate(arcs["cell"]):
            factor = float(weight.get(CHANNELS[arcs["channel"][arc]], 1))
            own = float(cells["units"][cell]) * float(cells["weight"][cell]) * factor
            sums[table.arc_authority[arc]] += own
            score.append(own)
        return [
            own / sums[a] * float(table.authorities[a]["batches"])
            for own, a in zip(score, table.arc_authority)
        ]

    def bands(self, wishes):
        kinds = [False, True] if wishes else [True]
        self.of_band = [one for firm in kinds for one in self.partitions if one.firm == firm]
        bands = [Band(one.own, one.rest, one.bounds()) for one in self.of_band]
        bands += self.pin_bands()
        exact = [float(a["batches"]) for a in self.table.authorities]
        bands.append(Band(self.table.arc_authority, None, [("sum", n, n) for n in exact]))
        return bands

    def pin_bands(self):
        bands = []
        for family in (0, 1):
            depths = len(self.families[family].at_depth) + family
            for depth in range(1, depths):
                edge = edges_of(self.table, self.families, family, depth)
                of_item = (
                    self.families[family].at_depth[depth]
                    if depth < len(self.families[family].at_depth)
                    else list(range(self.table.arc_count))
                )
                items = self.table.arcs["cell"] if family == 0 else range(self.table.arc_count)
                of_arc = [edge(of_item[item]) for item in items]
                here = set(of_arc)
                own = [(number, n) for number, n in self.pinned if number in here]
                if own:
                    place = {number: i for i, (number, _) in enumerate(own)}
                    groups = [place.get(number) for number in of_arc]
                    exact = [("sum", float(n), float(n)) for _, n in own]
                    bands.append(Band(groups, None, exact))
        return bands

    def fit(self, x, bands):
        units = [float(units) for units in self.table.cells["units"]]
        return Fit(x, bands, self.table, self.floors, units)

    def refresh(self, fit):
        for band, one in zip(fit.bands, self.of_band):
            band.bounds = one.bounds()

    def values(self, x):
        table, values = self.table, [0] * len(self.tail)
        cut = [
            min(int(value * float(BATCH)), table.cells["units"][cell] * BATCH)
            for value, cell in zip(x, table.arcs["cell"])
        ]
        for family, items in ((0, table.arcs["cell"]), (1, range(table.arc_count))):
            nest = self.families[family]
            edge = edges_of(table, self.families, family, 1)
            sums = [0] * len(nest.parent)
            for item, value in zip(items, cut):
                sums[nest.leaf[item]] += value
            for node in range(len(sums) - 1, 0, -1):
                values[edge(node)] = sums[node]
                sums[nest.parent[node]] += sums[node]
            values[-1] = sums[0]
        values[self.arcs_from : -1] = cut
        return values

    def tighten(self, values, near, times, before):
        missing = []
        for one in self.partitions:
            if not one.firm:
                continue
            for g, span in enumerate(one.spans(values, near)):
                if before and span[0][3] + span[1][3] <= 1:
                    continue
                failing = [limit for limit in one.limits[g] if not holds(limit, span)]
                for limit in failing:
                    more = max(lacks(limit, span), 0.0) * times + 0.0625
                    side = int(limit[0] == "max")
                    one.tighter[g][side] = max(one.tighter[g][side], kept_by(limit, span)) + more
                if failing:
                    missing.append((one, g))
        return missing

    def pin(self, one, g, values):
        if one.rest is not None:
            return False
        edges = sorted(number for number, group in one.members.items() if group == g)
        least = max((n for side, n, _ in one.limits[g] if side == "min"), default=0)
        most = min((n for side, n, _ in one.limits[g] if side == "max"), default=(1 << 64) - 1)
        large = [number for number in edges if values[number] >= BATCH // 2]
        small = [number for number in edges if 0 < values[number] < BATCH // 2]
        total = sum(values[number] for number in large)
        wanted = min(max((total + BATCH // 2) // BATCH, least), max(most - len(small), 0))
        down = {number: max(values[number] // BATCH, 1) for number in large}
        if wanted < least or not large or sum(down.values()) > wanted:
            return False
        rest = lambda number: values[number] % BATCH if values[number] >= BATCH else 0
        large.sort(key=lambda number: (-rest(number), number))
        extra = wanted - sum(down.values())
        for place, number in enumerate(large):
            batches = down[number] + extra // len(large) + (place < extra % len(large))
            if self.low[number] <= batches * BATCH <= self.high[number]:
                self.low[number] = self.high[number] = batches * BATCH
                self.pinned = [pin for pin in self.pinned if pin[0] != number]
                self.pinned.append((number, batches))
        return True

    def flow(self, values):
        """Brings every edge between its bounds; None if that cannot be."""
        low, high, ends = self.low, self.high, self.ends
        values = [min(max(v, a), b) for v, a, b in zip(values, low, high)]
        excess = [0] * self.nodes
        for edge, value in enumerate(values):
            excess[self.head[edge]] += value
            excess[self.tail[edge]] -= value

        def room(edge, back):
            return values[edge] - low[edge] if back else high[edge] - values[edge]

        while True:
            sources = [node for node in range(self.nodes) if excess[node] > 0]
            if not sources:
                return values
            level = [None] * self.nodes
            for node in sources:
                level[node] = 0
            queue, reached = list(sources), None
            for node in queue:
                if reached is not None and level[node] >= reached:
                    break
                for edge, back, other in ends[node]:
                    if level[other] is None and room(edge, back) > 0:
                        level[other] = level[node] + 1
                        if excess[other] < 0:
                            reached = level[other]
                        queue.append(other)
            if reached is None:
                return None
            cursor = [0] * self.nodes
            for source in sources:
                path, node = [], source
                while excess[source] > 0:
                    if excess[node] < 0:
                        amount = min(excess[source], -excess[node])
                        amount = min([amount] + [room(e, b) for _, (e, b, _) in path])
                        excess[source] -= amount
                        excess[node] += amount
                        cut = None
                        for place, (_, (edge, back, _)) in enumerate(path):
                            values[edge] += -amount if back else amount
                            if cut is None and room(edge, back) == 0:
                                cut = place
                        if cut is not None:
                            node = path[cut][0]
                            del path[cut:]
                        continue
                    found = None
                    while level[node] is not None and cursor[node] < len(ends[node]):
                        end = ends[node][cursor[node]]
                        if level[end[2]] == level[node] + 1 and room(end[0], end[1]) > 0:
                            found = end
                            break
                        cursor[node] += 1
                    if found:
                        path.append((node, found))
                        node = found[2]
                    elif path:
                        level[node] = None
                        node, _ = path.pop()
                    else:
                        break

    def run(self):
        x = self.target()
        if any(not one.firm for one in self.partitions):
            fit = self.fit(x, self.bands(True))
            fit.sweep(8)
            x = fit.x
        fit = self.fit(x, self.bands(False))
        fit.sweep(8)
        for _ in range(6):
            if not self.tighten(self.values(fit.x), 1 << 12, 1.5, True):
                break
            self.refresh(fit)
            fit.sweep(2)
        for turn in range(8):
            values = self.flow(self.values(fit.x))
            if values is None:
                raise ValueError("the bounds cannot be kept")
            missing = self.tighten(values, 0, 1.0 + turn / 2.0, False)
            if not missing:
                return values[self.arcs_from : -1]
            pinned = False
            if turn >= 3:
                for one, g in missing:
                    pinned |= self.pin(one, g, values)
            if pinned:
                fit = self.fit(fit.x, self.bands(False))
            else:
                self.refresh(fit)
            fit.sweep(2)
        raise ValueError("no design was found")


def check(plan, table, report):
    report.check("design")
    found = Search(plan, table).run()
    for arc, (x, shown) in enumerate(zip(found, table.arcs["x"])):
        report.equal(shown, x, f"arc {arc}: x")
