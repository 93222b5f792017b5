#!/usr/bin/env python3
"""Checks an exported plan file, and draws it again from its cell table and seed; or a bundle.

    python3 verify.py [--key FILE] [--design] PLAN.json|BUNDLE.zip ...

Written from docs/METHOD.md and docs/PLAN.md with the standard library alone; shares nothing with
the program that makes plans. Checks the keys, expected batches against every bound, certificate,
compliance; recomputes the rounding of every arc, the waves of every line, every lot and
probability, and the order of lots. Exit code 0: everything holds; 4: something does not; 2: no
plan file.

With --design the expected batches are found again from cells and policy; that takes long for large
plans. What a plan file cannot show: that the frame is that of the registry, and the units that no line
names; a county's bundle shows those of the county.
"""

import argparse
import json
import sys
from fractions import Fraction
from math import isqrt
from zipfile import BadZipFile

from hashes import Hash
from rounding import round_network
from streams import Key
from tables import BATCH, CHANNELS, AREAS, LEVELS, Family, Rows, Table, nodes_of, part, share


class Report:
    def __init__(self):
        self.checks = []

    def check(self, name):
        self.checks.append([name, 0, []])

    def require(self, holds, problem):
        entry = self.checks[-1]
        entry[1] += 1
        if not holds and len(entry[2]) < 20:
            entry[2].append(problem() if callable(problem) else problem)

    def equal(self, found, wanted, what):
        self.require(found == wanted, lambda: f"{what} is {found!r}; expected {wanted!r}")

    def holds(self):
        return all(not problems for _, _, problems in self.checks)

    def show(self):
        for name, looked_at, problems in self.checks:
            print(f"{'FAILS' if problems else 'ok   '} {name:<14} {looked_at:>9}")
            for problem in problems:
                print(f"      {problem}")


def canonical(value):
    """Compact JSON with ascending keys."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def keys(plan, report):
    report.check("keys")
    hash_ = Hash(plan["policy"].get("hash", "sha-256"))
    framed = hash_.framed
    policy = framed("spotcheck/m1/policy", canonical(plan["policy"]).encode())
    report.equal(plan["frame"]["policy_digest"], policy.hex(), "frame.policy_digest")
    frame = bytes.fromhex(plan["frame"]["digest"])
    inputs = framed("spotcheck/m1/input", frame, policy)
    report.equal(plan["plan"]["input_digest"], inputs.hex(), "plan.input_digest")
    seed = plan["seed"]
    source, text = seed["source"], seed["text"]
    opened = bytes.fromhex(seed.get("share", ""))
    if source == "text":
        digest = framed("spotcheck/m1/seed-text", text.encode())
    elif source == "ceremony":
        dice = 50 <= len(text) <= 4096 and set(text) <= set("123456")
        report.require(dice, "seed.text: 50 to 4096 dice are needed")
        digest = framed("spotcheck/m1/seed-ceremony", opened, text.encode())
    elif source == "beacon":
        report.require(32 <= len(text) <= 256, "seed.text: 32 to 256 hexadecimal digits are needed")
        digest = framed("spotcheck/m1/seed-beacon", opened, text.encode())
    else:
        report.equal(source, "system", "seed.source")
        digest = framed("spotcheck/m1/seed-system", bytes.fromhex(text))
    report.equal(seed["digest"], digest.hex(), "seed.digest")
    key = Key.of(hash_, digest, inputs)
    name = f"{plan['policy']['id']}-{key.public_hash().hex()[:12]}"
    report.equal(plan["plan"]["id"], name, "plan.id")
    return key


def split(budget, authorities):
    """Batches of a level's authorities: METHOD.md, "Budgets, arcs, rows"."""
    if table := budget.get("table"):
        return [table.get(a["authority"], 0) for a in authorities]
    floor = budget["floor"]
    weight = {
        "units": lambda n: n,
        "root": lambda n: isqrt(n * 10**12),
        "equal": lambda n: 1,
    }[budget["split"]]
    given = {i: 0 for i, a in enumerate(authorities) if a["units"] > 0}
    room = {i: authorities[i]["units"] - floor for i in given}
    order = sorted(given, key=lambda i: authorities[i]["authority"])
    rest = budget["total"] - floor * len(given)
    while order:
        total = sum(weight(authorities[i]["units"]) for i in order)
        exact = [(rest * weight(authorities[i]["units"]), i) for i in order]
        for number, i in exact:
            given[i] = number // total
        left = rest - sum(given[i] for i in order)
        by_rest = sorted(range(len(order)), key=lambda k: (-(exact[k][0] % total), k))
        for k in by_rest[:left]:
            given[order[k]] += 1
        full = [i for i in order if given[i] > room[i]]
        if not full:
            break
        for i in full:
            given[i] = room[i]
            rest -= room[i]
        order = [i for i in order if i not in full]
    return [floor + given[i] if i in given else 0 for i in range(len(authorities))]


def expected(plan, table, report):
    report.check("budgets")
    arcs, cells, policy = table.arcs, table.cells, table.policy
    batches = plan["plan"]["batches"]
    x_of, n_of, units_of = [[0] * len(table.authorities) for _ in range(3)]
    for arc in range(table.arc_count):
        x_of[table.arc_authority[arc]] += arcs["x"][arc]
        n_of[table.arc_authority[arc]] += arcs["n"][arc]
    for level in LEVELS:
        own = [a for a in table.authorities if a["level"] == level]
        if policy["budget"].get(level):
            wanted = split(policy["budget"][level], own)
            report.equal([a["batches"] for a in own], wanted, f"batches of level {level}")
    for place, authority in enumerate(table.authorities):
        name = f"{authority['level']} {authority['authority']}"
        report.equal(x_of[place], authority["batches"] * BATCH, f"{name}: expected batches")
        report.equal(n_of[place], authority["batches"], f"{name}: batches")
    report.equal(sum(a["batches"] for a in table.authorities), batches, "plan.batches")
    report.check("cells")
    floor = share(policy["floor"])
    total = plan["frame"]["units"]
    report.equal(sum(cells["units"]), total, "frame.units")
    for cell, units in enumerate(cells["units"]):
        x = sum(arcs["x"][table.start[cell] : table.start[cell + 1]])
        most = units * BATCH
        low = -(-(floor.numerator * most * batches) // (floor.denominator * total))
        low = 0 if policy.get("keep") else min(max(low, 1), most)
        low = most if cells["certain"][cell] else low
        report.require(low <= x <= most, lambda: f"cell {cell}: {x} is not in {low}..{most}")


def network(table, families):
    """Edges as METHOD.md, "Network", orders them."""
    arcs, cells = table.arcs, table.cells
    first, second = families
    county = cells["county"]
    tail, head, group, values = [], [], [], []
    x = arcs["x"]

    def nodes(family, county_of_item, x_of_item):
        value = [0] * len(family.parent)
        own = [None] * len(family.parent)
        seen = [False] * len(family.parent)
        for item, leaf in enumerate(family.leaf):
            value[leaf] += x_of_item[item]
            if not seen[leaf]:
                seen[leaf], own[leaf] = True, county_of_item[item]
            elif own[leaf] != county_of_item[item]:
                own[leaf] = None
        for node in range(len(family.parent) - 1, 0, -1):
            up = family.parent[node]
            value[up] += value[node]
            if not seen[up]:
                seen[up], own[up] = True, own[node]
            elif own[up] != own[node]:
                own[up] = None
        return value, own

    cell_x = [sum(x[table.start[c] : table.start[c + 1]]) for c in range(table.cell_count)]
    value, own = nodes(first, county, cell_x)
    for node in range(1, len(first.parent)):
        tail.append(first.parent[node])
        head.append(node)
        group.append(own[node])
        values.append(value[node])
    offset = len(first.parent)
    arc_county = [county[cell] for cell in arcs["cell"]]
    value, own = nodes(second, arc_county, x)
    for node in range(1, len(second.parent)):
        tail.append(offset + node)
        head.append(offset + second.parent[node])
        group.append(own[node])
        values.append(value[node])
    begin = len(tail)
    for arc, cell in enumerate(arcs["cell"]):
        tail.append(first.leaf[cell])
        head.append(offset + second.leaf[arc])
        group.append(arc_county[arc])
        values.append(x[arc])
    tail.append(offset)
    head.append(0)
    group.append(None)
    values.append(sum(x))
    return tail, head, group, values, begin


def rounding(table, families, key, report):
    report.check("rounding")
    tail, head, group, values, begin = network(table, families)
    whole = round_network(tail, head, group, values, key.stream)
    for arc, n in enumerate(table.arcs["n"]):
        report.equal(n, whole[begin + arc], f"arc {arc}: n")


def span(nodes, group, values):
    """x, low, high and number of nodes of every group."""
    spans = {}
    for node, own in nodes.items():
        if own is None:
            continue
        s = spans.setdefault(own, [0, 0, 0, 0])
        value = values[node]
        s[0] += value
        s[1] += value // BATCH
        s[2] += -(-value // BATCH)
        s[3] += 1
    return [spans.get(g, [0, 0, 0, 0]) for g in range(group)]


def rows(plan, table, families, report):
    """Certificate and compliance, row by row; returns each firm row's groups by arc."""
    arcs = table.arcs
    items = [arcs["cell"], list(range(table.arc_count))]
    depths = [len(f.at_depth) for f in families]
    node_values = {}

    def values(family, depth):
        if (family, depth) not in node_values:
            found = {}
            if family == 1 and depth == depths[1]:
                found = dict(enumerate(arcs["x"]))
            else:
                of = families[family].at_depth[depth]
                for arc, x in enumerate(arcs["x"]):
                    node = of[items[family][arc]]
                    found[node] = found.get(node, 0) + x
            node_values[family, depth] = found
        return node_values[family, depth]

    def nodes(family, depth, of_arc):
        if family == 1 and depth == depths[1]:
            return dict(enumerate(of_arc))
        return nodes_of(families[family], depth, of_arc, items[family])

    report.check("certificate")
    report.check("compliance")
    certificate, compliance = report.checks[-2], report.checks[-1]

    def at(check, found, wanted, what):
        check[1] += 1
        if found != wanted and len(check[2]) < 20:
            check[2].append(f"{what} is {found!r}; expected {wanted!r}")

    firm = []
    place = 0
    own_certificate = plan["certificate"]["rows"]
    own_compliance = plan["compliance"]
    for quota in plan["policy"]["quota"]:
        for grouping in quota["each"]:
            row = Rows(table, quota, grouping)
            if quota["hardness"] != "target":
                firm.append(row.of_arc)
                if row.rest_of_arc is not None:
                    firm.append(row.rest_of_arc)
            groups = len(row.groups)
            planned, planned_rest = [0] * groups, [0] * groups
            for arc, own in enumerate(row.of_arc):
                if own is not None:
                    planned[own] += arcs["n"][arc]
            for arc, own in enumerate(row.rest_of_arc or []):
                if own is not None:
                    planned_rest[own] += arcs["n"][arc]
            spans = rest_spans = None
            for g in range(groups):
                bounds = [("", side, bound) for side, bound in row.limits if bound is not None]
                bounds += [("rate", side, rate) for side, rate in row.rates if rate is not None]
                for kind, side, bound in bounds:
                    if place >= len(own_certificate) or place >= len(own_compliance):
                        at(compliance, place, None, "number of rows")
                        return firm
                    shown = own_certificate[place]
                    if spans is None:
                        try:
                            value = values(shown["family"], shown["depth"])
                            found = nodes(shown["family"], shown["depth"], row.of_arc)
                            spans = span(found, groups, value)
                            if row.rest_of_arc is not None:
                                found = nodes(shown["family"], shown["depth"], row.rest_of_arc)
                                rest_spans = span(found, groups, value)
                        except (ValueError, IndexError) as error:
                            at(certificate, str(error), None, f"row {place}")
                            spans = [[0, 0, 0, 0]] * groups
                    x, low, high, count = spans[g]
                    wanted = dict(
                        family=shown["family"], depth=shown["depth"], nodes=count, x=x, low=low,
                        high=high,
                    )
                    if row.rest_of_arc is not None:
                        r = rest_spans[g]
                        wanted["rest"] = dict(x=r[0], low=r[1], high=r[2])
                    at(certificate, shown, wanted, f"certificate row {place}")
                    if kind == "rate":
                        base = row.units[g]
                        required = part(side, share(bound), base)
                        asked = f"{bound} of units"
                    elif isinstance(bound, int):
                        base, required, asked = 0, bound, str(bound)
                    elif row.fixed is not None:
                        base = row.fixed[g]
                        required, asked = part(side, share(bound), base), bound
                    else:
                        base = planned[g] + planned_rest[g]
                        required, asked = part(side, share(bound), base), bound
                    if row.fixed is None and isinstance(bound, str) and kind == "":
                        s = share(bound)
                        r = rest_spans[g]
                        holds = (1 - s) * low >= s * r[2] if side == "min" else (1 - s) * high <= s * r[1]
                    else:
                        holds = low >= required if side == "min" else high <= required
                    wanted = dict(
                        quota=quota["name"], scope=grouping, group=row.names[g],
                        hardness=quota["hardness"], bound=side, asked=asked, base=base,
                        required=required, planned=planned[g], guaranteed_low=low,
                        guaranteed_high=high, holds=holds,
                    )
                    at(compliance, own_compliance[place], wanted, f"compliance row {place}")
                    if quota["hardness"] != "target":
                        at(compliance, holds, True, f"{quota['name']}, {grouping} {row.names[g]}")
                    place += 1
    at(compliance, len(own_compliance), place, "number of rows")
    at(certificate, len(own_certificate), place, "number of rows")
    return firm


def lines(plan, table, key, firm, report):
    arcs, cells, frame = table.arcs, table.cells, plan["frame"]
    all_lines = plan["lines"]
    lot, wave_lot = key.lots("lots"), key.lots("wave-lots")
    products = frame["products"]
    per_line = table.policy["replacements"]["per_line"]
    report.check("lines")
    report.equal([line["line"] for line in all_lines], list(range(1, len(all_lines) + 1)), "numbers")
    order = sorted(range(table.arc_count), key=lambda arc: (table.arc_authority[arc], arc))
    rank_of_arc = {arc: i for i, arc in enumerate(order)}
    seen = set()
    drawn = [0] * table.arc_count
    of_cell = {}
    before = None
    for line in all_lines:
        arc, cell, rank = line["arc"], line["cell"], line["replacement_rank"]
        product = products[cells["product"][cell]]
        unit = f"{line['enterprise_id']}/{line['product_id']}"
        authority = table.authorities[table.arc_authority[arc]]
        own_arc = next(
            (
                a
                for a in range(table.start[cell], table.start[cell + 1])
                if arcs["level"][a] == arcs["level"][arc] and arcs["channel"][a] == arcs["channel"][arc]
            ),
            arc,
        )
        chance = Fraction(arcs["x"][own_arc], BATCH * cells["units"][cell])
        wanted = dict(
            level=LEVELS[arcs["level"][arc]],
            authority=authority["authority"],
            product_id=product["product_id"],
            channel=CHANNELS[arcs["channel"][arc]],
            county=frame["counties"][cells["county"][cell]],
            area=AREAS[cells["area"][cell]],
            tier=frame["tiers"][cells["tier"][cell]],
            key=product["key"],
            probability=f"{chance.numerator}/{chance.denominator}",
            lot=lot(unit),
        )
        for name, value in wanted.items():
            report.equal(line[name], value, f"line {line['line']}: {name}")
        report.require(unit not in seen, f"line {line['line']}: {unit} is listed twice")
        seen.add(unit)
        place = (rank > 0, rank_of_arc[arc], rank, line["lot"] if rank == 0 else "")
        report.require(before is None or before < place, f"line {line['line']} is out of order")
        before = place
        if rank == 0:
            drawn[arc] += 1
            report.equal(cell, arcs["cell"][arc], f"line {line['line']}: cell")
        if cell == arcs["cell"][arc]:
            of_cell.setdefault(cell, []).append((line["lot"], unit, rank, arc, line["line"]))
    report.equal(drawn, arcs["n"], "drawn lines of the arcs")

    report.check("lot order")
    for cell, listed in of_cell.items():
        # Drawn units arc by arc, then blocks of replacement units arc by arc.
        listed.sort(key=lambda entry: (entry[2] > 0, entry[3], entry[2], entry[0]))
        in_lots = sorted(listed, key=lambda entry: (entry[0], entry[1].encode()))
        same = [entry[4] for entry in listed] == [entry[4] for entry in in_lots]
        report.require(same, f"cell {cell}: units are not taken in the order of their lots")

    report.check("replacements")
    listed = {}
    for line in all_lines:
        if line["replacement_rank"]:
            listed.setdefault(line["arc"], []).append(line)
    short = 0
    for cell in range(table.cell_count):
        own = range(table.start[cell], table.start[cell + 1])
        left = cells["units"][cell] - sum(arcs["n"][arc] for arc in own)
        for arc in own:
            want = per_line * arcs["n"][arc]
            spare = min(want, left)
            left -= spare
            found = listed.get(arc, [])
            short += want - len(found)
            mine = sum(1 for line in found if line["cell"] == cell)
            report.equal(mine, spare, f"arc {arc}: replacement units of its own cell")
            report.require(len(found) <= want, f"arc {arc}: more replacement units than asked for")
            report.equal(
                [line["replacement_rank"] for line in found], list(range(1, len(found) + 1)),
                f"arc {arc}: ranks",
            )
            for line in found:
                if line["cell"] != cell:
                    equals(table, arc, line, firm, products, report)
    report.equal(plan["plan"]["replacement_shortfall"], short, "plan.replacement_shortfall")
    waves(plan, table, key, wave_lot, report)


def equals(table, arc, line, firm, products, report):
    """A unit of another cell counts in the same groups of every firm quota."""
    arcs, cells = table.arcs, table.cells
    cell, other = arcs["cell"][arc], line["cell"]
    a, b = products[cells["product"][cell]], products[cells["product"][other]]
    twin = next(
        (
            i
            for i in range(table.start[other], table.start[other + 1])
            if arcs["level"][i] == arcs["level"][arc] and arcs["channel"][i] == arcs["channel"][arc]
        ),
        None,
    )
    fits = (
        twin is not None
        and table.arc_authority[twin] == table.arc_authority[arc]
        and cells["area"][cell] == cells["area"][other]
        and a["key"] == b["key"]
        and (a["product_id"] == b["product_id"] or (a["key_group"] and a["key_group"] == b["key_group"]))
        and all(column[twin] == column[arc] for column in firm)
    )
    report.require(fits, f"line {line['line']}: is no equal of arc {arc}")


def waves(plan, table, key, wave_lot, report):
    report.check("waves")
    cells = table.cells
    policy = plan["policy"]
    shares = [share(w["share"]) for w in policy["wave"]] or [Fraction(1)]
    count, authorities = len(shares), len(table.authorities)
    by_class = {}
    for line in plan["lines"]:
        first = cells["first_wave"][line["cell"]]
        if line["replacement_rank"]:
            report.equal(line["wave"], first + 1, f"line {line['line']}: wave")
        else:
            by_class.setdefault((table.arc_authority[line["arc"]], first), []).append(line)
    supply = [[len(by_class.get((a, f), [])) for f in range(count)] for a in range(authorities)]
    x = [filled(shares, own) for own in supply]
    n = wave_rounding(table, supply, x, key.derive("waves"))
    totals = [[0] * count for _ in range(authorities)]
    for (a, first), own in by_class.items():
        own.sort(key=lambda line: (wave_lot(f"{line['enterprise_id']}/{line['product_id']}"),
                                   f"{line['enterprise_id']}/{line['product_id']}".encode()))
        at = 0
        for wave, batches in enumerate(n[a][first]):
            totals[a][wave] += batches
            for line in own[at : at + batches]:
                report.equal(line["wave"], wave + 1, f"line {line['line']}: wave")
            at += batches
    for a, authority in enumerate(table.authorities):
        report.equal(authority["waves"], totals[a], f"waves of {authority['authority']}")
    for wave, shown in enumerate(plan["plan"]["waves"]):
        report.equal(shown["batches"], sum(own[wave] for own in totals), f"plan.waves[{wave}]")


def floor_of(ratio, value):
    return ratio.numerator * value // ratio.denominator


def filled(shares, supply):
    waves = len(shares)
    total = sum(supply)
    left = [lines * BATCH for lines in supply]
    x = [[0] * waves for _ in range(waves)]
    given = 0
    for wave in range(waves):
        until = sum(floor_of(s, total * BATCH) for s in shares[: wave + 1])
        available = sum(left[: wave + 1])
        want = available if wave + 1 == waves else max(until - given, 0)
        take = min(want, available)
        rest = take
        for first in range(wave + 1):
            own = take * left[first] // available if available else 0
            x[first][wave] = own
            rest -= own
        for first in range(wave + 1):
            more = min(rest, left[first] - x[first][wave])
            x[first][wave] += more
            rest -= more
            left[first] -= x[first][wave]
        given += take
    return x


def wave_rounding(table, supply, x, key):
    authorities, waves = len(supply), len(supply[0]) if supply else 0
    base = 1 + authorities + authorities * waves
    klass = lambda a, f: 1 + authorities + a * waves + f
    wave_node = lambda w: base + 1 + w
    level_node = lambda w, l: base + 1 + waves + w * 3 + l
    own_node = lambda w, a: base + 1 + waves + waves * 3 + w * authorities + a
    tail, head, values = [], [], []

    def add(t, h, value):
        tail.append(t)
        head.append(h)
        values.append(value)

    for a in range(authorities):
        for first in range(waves):
            for wave in range(first, waves):
                add(klass(a, first), own_node(wave, a), x[a][first][wave])
    whole = 0
    for a in range(authorities):
        total = sum(supply[a]) * BATCH
        add(0, 1 + a, total)
        whole += total
        for first in range(waves):
            add(1 + a, klass(a, first), supply[a][first] * BATCH)
    for wave in range(waves):
        of_level = [0, 0, 0]
        for a, authority in enumerate(table.authorities):
            own = sum(x[a][first][wave] for first in range(waves))
            level = LEVELS.index(authority["level"])
            of_level[level] += own
            add(own_node(wave, a), level_node(wave, level), own)
        for level in range(3):
            add(level_node(wave, level), wave_node(wave), of_level[level])
        add(wave_node(wave), base, sum(of_level))
    add(base, 0, whole)
    n = round_network(tail, head, [None] * len(tail), values, key.stream)
    result, at = [], 0
    for _ in range(authorities):
        own = [[0] * waves for _ in range(waves)]
        for first in range(waves):
            for wave in range(first, waves):
                own[first][wave] = n[at]
                at += 1
        result.append(own)
    return result


def price(plan, table, report):
    report.check("price")
    cells, x = table.cells, table.arcs["x"]
    total = sum(u * w for u, w in zip(cells["units"], cells["weight"]))
    batches, units = plan["plan"]["batches"], sum(cells["units"])
    ratios = []
    for cell in range(table.cell_count):
        own = sum(x[table.start[cell] : table.start[cell + 1]])
        ratio = own * total // (cells["units"][cell] * cells["weight"][cell]) * 10000
        ratios.append((ratio // (batches * BATCH), cells["units"][cell]))
    ratios.sort()
    for shown in plan["plan"]["price_of_quotas"]:
        wanted, at = shown["percent"] * (units - 1) // 100, 0
        for ratio, count in ratios:
            at += count
            if at > wanted:
                break
        text = f"{ratio // 10000}.{ratio % 10000:04}"
        report.equal(shown["ratio"], text, f"percentile {shown['percent']}")


def verify(plan, report, redesign=False):
    key = keys(plan, report)
    table = Table(plan)
    dims = plan["certificate"]["families"]
    families = [Family(table, dims[0], True), Family(table, dims[1], False)]
    expected(plan, table, report)
    firm = rows(plan, table, families, report)
    if report.holds():
        rounding(table, families, key, report)
    else:
        report.check("rounding")
        report.require(False, "not tried, since something above does not hold")
    lines(plan, table, key, firm, report)
    price(plan, table, report)
    if redesign:
        import design

        design.check(plan, table, report)


def main():
    parser = argparse.ArgumentParser(description="Checks plan files and bundles.")
    parser.add_argument("--key", metavar="FILE", help="the log's key, for bundles")
    parser.add_argument("--design", action="store_true", help="find expected batches again; slow")
    parser.add_argument("files", nargs="+", metavar="PLAN.json|BUNDLE.zip")
    args = parser.parse_args()
    key = args.key and open(args.key, encoding="utf-8").read().strip()
    return max(one(path, key, args.design) for path in args.files)


def one(path, key, redesign):
    report = Report()
    try:
        with open(path, "rb") as file:
            data = file.read()
        if data.startswith(b"PK"):
            import bundle

            whole = lambda data: verify(read(data), report, redesign)
            plan, part = bundle.verify(path, report, whole, key)
            name = plan if part == "whole" else f"{plan}, {part}"
        else:
            plan = read(data)
            verify(plan, report, redesign)
            name = plan["plan"]["id"]
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except (
        ValueError, KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError, BadZipFile
    ) as error:
        report.show()
        print(f"{path}\nFAILS readable: {type(error).__name__}: {error}")
        return 4
    report.show()
    print(name, "everything holds" if report.holds() else "DOES NOT HOLD")
    return 0 if report.holds() else 4


def read(data):
    plan = json.loads(data.decode())
    if json.dumps(plan, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" != data:
        raise ValueError("the file is not the one text that the plan has")
    return plan


if __name__ == "__main__":
    sys.exit(main())
