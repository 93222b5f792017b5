"""Bundles: the whole plan, a county's part, the public's part: BUNDLE.md, METHOD.md "Frame digest" and
"Commitments"."""

import hashlib
import json
import struct
import zipfile
from fractions import Fraction

from hashes import Hash
from ledger import LOG, Ledger
from notes import note_text
from tables import AREAS, BATCH, CHANNELS, LEVELS, share

BYTES_MAX = 2 << 30
MEMBERS = {
    "whole": {"plan.json"},
    "county": {"county.json", "roster.jsonl", "lines.jsonl"},
    "public": {"public.json", "lines.jsonl", "leaves.bin"},
}


def compact(value):
    """JSON without blanks, fields in the order that they were read in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def unpack(path, report):
    """The form, plan and members of a bundle, its manifest's digest and the note that signs it."""
    report.check("container")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        report.require(len(set(names)) == len(names), "a name twice")
        manifest = archive.read("manifest.json")
        note = archive.read("manifest.note").decode()
        listed = json.loads(manifest)
        report.equal(listed["bundle"], "spotcheck-bundle/1", "the format")
        report.require(compact(listed) == manifest, "the manifest has another text")
        total = sum(entry["bytes"] for entry in listed["members"])
        report.require(total <= BYTES_MAX and len(names) <= 64, "larger than any bundle")
        if not report.holds():
            raise ValueError("the container is no bundle")
        members = {}
        for entry in listed["members"]:
            with archive.open(entry["name"]) as file:
                data = file.read(entry["bytes"] + 1)
            found = (len(data), hashlib.sha256(data).hexdigest())
            report.equal(found, (entry["bytes"], entry["sha256"]), entry["name"])
            members[entry["name"]] = data
        report.equal(sorted(names), sorted([*members, "manifest.json", "manifest.note"]), "members")
    return listed["form"], listed["plan"], members, hashlib.sha256(manifest).hexdigest(), note


def signed_by(note, keys, text):
    for key in keys:
        try:
            if note_text(note, key) == text:
                return True
        except ValueError:
            continue
    return False


def verify(path, report, whole, key=None):
    """Checks a bundle; `whole` checks a plan file's bytes. Returns the plan's name and its part."""
    form, plan, members, manifest, note = unpack(path, report)
    own = MEMBERS.get(form.partition("/")[0], set())
    known = own | {"log/entries.jsonl", "log/checkpoint", "plan.note", "replacements.jsonl"}
    report.require(own and own <= set(members) <= known, f"members of the form {form!r}")
    report.check("log")
    ledger = Ledger(members["log/entries.jsonl"].decode().split("\n")[:-1])
    if key:
        report.equal(ledger.keys[-1], key, "the log's key")
    root, size = ledger.head(members["log/checkpoint"].decode())
    report.equal((root, size), (LOG.root(ledger.leaves), len(ledger.leaves)), "the signed head")
    report.check("signature")
    wanted = f"spotcheck bundle\n{manifest}\n"
    report.require(signed_by(note, ledger.keys[-1:], wanted), "the manifest is not signed")
    freeze = ledger.of_plan(plan)
    if freeze["state"] == "issued":
        wanted = f"spotcheck plan\n{plan}\n{freeze['document']}\n"
        known = signed_by(members["plan.note"].decode(), ledger.keys, wanted)
        report.require(known, "the plan is not signed as in force")
    if form == "whole":
        document = whole_plan(members, freeze, report)
        whole(document)
    elif form == "public":
        public(members, plan, freeze, report)
    else:
        code = form.partition("/")[2]
        county(members, plan, code, freeze, report)
        return plan, f"county {code}"
    return plan, form


def inputs(part, freeze, report):
    """Hash, policy and draw key of a plan or a part of one, compared with the frozen record."""
    from verify import keys

    report.equal(part["frame"]["digest"], freeze["frame"], "frame.digest")
    report.equal(part["frame"]["policy_digest"], freeze["policy"], "frame.policy_digest")
    report.equal(part["plan"]["policy_id"], freeze["programme"], "the programme")
    if "seed" not in part:
        return None
    seed, terms = part["seed"], freeze["seed"]
    opened = LOG.framed("spotcheck/m1/seed-commitment", bytes.fromhex(seed["digest"]))
    report.equal(opened.hex(), freeze["opened"], "the commitment to the seed")
    report.equal(seed["source"], terms["source"], "the seed's source")
    if seed["source"] in ("ceremony", "beacon"):
        share_ = LOG.framed("spotcheck/m1/share-commitment", bytes.fromhex(seed["share"]))
        report.equal(share_.hex(), terms["share"], "the commitment to the share")
    if seed["source"] == "system":
        value = LOG.framed("spotcheck/m1/system-commitment", bytes.fromhex(seed["text"]))
        report.equal(value.hex(), terms["commitment"], "the commitment to the bytes")
    return keys(part, report)


def words(values, letter):
    return struct.pack(f"<{len(values)}{letter}", *values)


def county_hashes(hash_, code, cells, arcs):
    """The hashes of a county's design and batches; an arc's cell counts from her first."""
    fields = [code.encode(), bytes(cells["area"]), words(cells["product"], "I")]
    fields += [words(cells["tier"], "I"), words(cells["cluster"], "I"), bytes(cells["accident"])]
    fields += [words(column, "I") for _, column in sorted(cells["attributes"].items())]
    fields += [bytes(cells["first_wave"]), words(cells["weight"], "Q"), bytes(cells["certain"])]
    fields += [words(cells["units"], "I"), words(arcs["cell"], "I"), bytes(arcs["level"])]
    fields += [bytes(arcs["channel"]), words(arcs["x"], "Q")]
    design = hash_.framed("spotcheck/m1/design/county", *fields)
    return design, hash_.framed("spotcheck/m1/counts/county", code.encode(), words(arcs["n"], "I"))


def design_of(hash_, root, certificate):
    return hash_.framed("spotcheck/m1/design", root, certificate).hex()


def by_county(plan):
    """Code, cells and arcs of every county that has a cell."""
    cells, arcs = plan["allocation"]["cells"], plan["allocation"]["arcs"]
    first = at = 0
    while first < len(cells["units"]):
        last = first
        while last < len(cells["units"]) and cells["county"][last] == cells["county"][first]:
            last += 1
        to = at
        while to < len(arcs["cell"]) and arcs["cell"][to] < last:
            to += 1
        own = {
            name: {n: c[first:last] for n, c in column.items()}
            if name == "attributes"
            else column[first:last]
            for name, column in cells.items()
        }
        part = {name: column[at:to] for name, column in arcs.items()}
        part["cell"] = [cell - first for cell in part["cell"]]
        yield plan["frame"]["counties"][cells["county"][first]], own, part
        first, at = last, to


def public_line(line):
    names = ["line", "level", "authority", "enterprise_id", "enterprise_name", "product_id"]
    names += ["channel", "county", "wave", "replacement_rank"]
    return {name: line[name] for name in names}


def line_leaf(hash_, line, blind):
    return hash_.leaf(hash_.framed("spotcheck/m1/line", compact(line), blind))


def whole_plan(members, freeze, report):
    data = members["plan.json"]
    report.check("protocol")
    report.equal(hashlib.sha256(data).hexdigest(), freeze["document"], "the plan file")
    plan = json.loads(data)
    hash_ = Hash(plan["policy"].get("hash", "sha-256"))
    key = inputs(plan, freeze, report)
    report.check("commitments")
    hashes = [county_hashes(hash_, code, *part) for code, *part in by_county(plan)]
    certificate = hash_.framed("spotcheck/m1/certificate", compact(plan["certificate"]))
    designs, counts = ([hash_.leaf(h[i]) for h in hashes] for i in (0, 1))
    design = design_of(hash_, hash_.root(designs), certificate)
    report.equal(design, freeze["design"], "the commitment to the design")
    report.equal(hash_.root(counts).hex(), freeze["counts"], "the commitment to the batches")
    blinds = key.sub_key("line-blinds")
    leaves = []
    for line in plan["lines"]:
        number = line["line"].to_bytes(8, "little")
        blind = hash_.framed("spotcheck/m1/line-blind", blinds, number)
        leaves.append(line_leaf(hash_, public_line(line), blind))
    report.equal(hash_.root(leaves).hex(), freeze["lines"], "the commitment to the lines")
    fallen(members.get("replacements.jsonl", b""), plan, freeze, report)
    return data


def fallen(data, plan, freeze, report):
    """Lines that fell out gave way to the next unit of their arc."""
    report.check("fallen_lines")
    shown = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    report.equal(len(shown), len(freeze["replaced"]), "the number of replacements")
    lines = plan["lines"]
    pool = {(x["arc"], x["replacement_rank"]): x["line"] for x in lines if x["replacement_rank"]}
    own = plan["policy"]["replacements"].get("reason")
    usual = "closed moved no-goods not-made other recorded-twice refused suspended unreachable"
    codes = [reason["code"] for reason in own] if own else usual.split()
    inside, out, taken = set(), set(), {}
    for one, logged in zip(shown, freeze["replaced"]):
        for name in ("line", "arc", "rank", "reason"):
            report.equal(one[name], logged[name], f"line {one['line']}: {name}")
        commitment = LOG.framed(
            "spotcheck/m1/evidence", bytes.fromhex(one["salt"]), one["evidence"].encode()
        )
        report.equal(commitment.hex(), logged["evidence"], f"line {one['line']}: the evidence")
        report.require(one["reason"] in codes, f"{one['reason']} is no reason of the policy")
        line = lines[one["line"] - 1]
        stands = not line["replacement_rank"] or one["line"] in inside
        report.require(stands and one["line"] not in out, f"line {one['line']}: does not stand")
        rank = taken.get(line["arc"], 0) + 1
        spare = pool.get((line["arc"], rank), 0)
        wanted = (line["arc"], rank if spare else 0, spare)
        report.equal((one["arc"], one["rank"], one["taken"]), wanted, f"line {one['line']}: the next")
        out.add(one["line"])
        if spare:
            taken[line["arc"]] = rank
            inside.add(spare)


def outline_of(hash_, frame):
    return hash_.framed("spotcheck/m1/frame/outline", compact(dict(frame, digest="00" * 32)))


def frame_of(hash_, frame, catalogue, counties):
    return hash_.framed("spotcheck/m1/frame", outline_of(hash_, frame), catalogue, counties).hex()


def county(members, plan_id, code, freeze, report):
    part = json.loads(members["county.json"])
    rows = [line for line in members["roster.jsonl"].decode().split("\n")[:-1]]
    lines = [json.loads(line) for line in members["lines.jsonl"].decode().split("\n")[:-1]]
    report.check("protocol")
    report.require(compact(part) == members["county.json"], "the county's part has another text")
    report.equal((part["county"], part["plan"]["id"]), (code, plan_id), "county and plan")
    hash_ = Hash(part["policy"].get("hash", "sha-256"))
    key = inputs(part, freeze, report)
    cells, arcs, roll = part["cells"], part["arcs"], part["roll"]

    report.check("frame")
    secret = bytes.fromhex(part["secret"])
    leaves, units, excluded, seen = [], [[] for _ in cells["units"]], 0, None
    for text in rows:
        row = json.loads(text)
        report.require(compact(row) == text.encode(), "a row has another text")
        unit = f"{row['enterprise_id']}/{row['product_id']}"
        place = (row["enterprise_id"].encode(), row["product_id"].encode())
        report.require(seen is None or seen < place, f"{unit}: does not ascend")
        seen = place
        blind = hash_.framed("spotcheck/m1/frame/blind", secret, unit.encode())
        leaves.append(hash_.leaf(hash_.framed("spotcheck/m1/frame/row", text.encode(), blind)))
        if "excluded" in row:
            excluded += 1
        else:
            product = part["frame"]["products"][cells["product"][row["cell"]]]["product_id"]
            report.equal(row["product_id"], product, f"{unit}: the product of its cell")
            units[row["cell"]].append((unit, row))
    report.equal(roll["rows"], hash_.root(leaves).hex(), "the roster's root")
    report.equal((roll["eligible"], roll["excluded"]), (len(rows) - excluded, excluded), "counts")
    report.equal([len(own) for own in units], cells["units"], "the units of cells")
    digest = hash_.framed("spotcheck/m1/frame/cells", compact(cells))
    report.equal(roll["cells"], digest.hex(), "the cells' digest")
    leaf = hash_.framed(
        "spotcheck/m1/frame/county",
        roll["code"].encode(),
        digest,
        roll["eligible"].to_bytes(8, "little"),
        roll["excluded"].to_bytes(8, "little"),
        bytes.fromhex(roll["rows"]),
    )
    counties = part["frame"]["counties"]
    path = part["in_frame"]
    report.equal((path["place"], path["size"]), (counties.index(code), len(counties) + 1), "place")
    found = lead(hash_, leaf, path)
    digest = frame_of(hash_, part["frame"], bytes.fromhex(part["catalogue"]), found)
    report.equal(digest, freeze["frame"], "the frame's digest")

    report.check("commitments")
    if part["in_design"]:
        design, counts = county_hashes(hash_, code, cells, arcs)
        root = lead(hash_, design, part["in_design"])
        design = design_of(hash_, root, bytes.fromhex(part["certificate"]))
        report.equal(design, freeze["design"], "the design")
        root = lead(hash_, counts, part["in_counts"])
        report.equal(root.hex(), freeze["counts"], "the batches")
    own_budget = [a for a in part["authorities"] if a["level"] == "county" and a["authority"] == code]
    total = sum(n for n, level in zip(arcs["n"], arcs["level"]) if level == 2)
    for row in own_budget:
        report.equal(total, row["batches"], "the batches of the county's authority")

    report.check("lots")
    lot = key.lots("lots")
    per_line = part["policy"]["replacements"]["per_line"]
    waves = max(1, len(part["policy"]["wave"]))
    by_unit = {f"{x['enterprise_id']}/{x['product_id']}": x for x in lines}
    report.equal(len(by_unit), len(lines), "units with a line")
    used = 0
    for cell, own in enumerate(units):
        arc_numbers = [a for a, c in enumerate(arcs["cell"]) if c == cell]
        x = sum(arcs["x"][a] for a in arc_numbers)
        report.require(0 < x <= len(own) * BATCH or "keep" in part["policy"], f"cell {cell}: its batches")
        for a in arc_numbers:
            low = arcs["x"][a] // BATCH
            report.require(
                arcs["n"][a] in (low, -(-arcs["x"][a] // BATCH)), f"arc {a}: is not rounded"
            )
            channels = cells["channels"][cell][arcs["level"][a]]
            report.require(channels >> arcs["channel"][a] & 1, f"arc {a}: may not draw")
        order = sorted(((lot(unit), unit.encode(), unit, row) for unit, row in own), key=lambda o: o[:2])
        wanted = [(a, 0) for a in arc_numbers for _ in range(arcs["n"][a])]
        for a in arc_numbers:
            left = len(order) - len(wanted)
            wanted += [(a, rank + 1) for rank in range(min(arcs["n"][a] * per_line, max(left, 0)))]
        for place, (own_lot, _, unit, row) in enumerate(order):
            line = by_unit.get(unit)
            if line:
                used += 1
                one_line(part, hash_, key, line, row, cell, own_lot, arc_numbers, waves, report)
            if place < len(wanted):
                arc, rank = wanted[place]
                found = line and (line["arc"], line["replacement_rank"])
                report.equal(found, (part["first_arc"] + arc, rank), f"{unit}: (arc, rank)")
            elif line:
                report.require(line["replacement_rank"] > 0, f"{unit}: was drawn out of turn")
    report.equal(used, len(lines), "lines of units of the county")


def lead(hash_, data, path):
    siblings = [bytes.fromhex(sibling) for sibling in path["siblings"]]
    found = hash_.root_from(hash_.leaf(data), path["place"], path["size"], siblings)
    if found is None:
        raise ValueError("a path has not the right length")
    return found


def one_line(part, hash_, key, line, row, cell, lot, arc_numbers, waves, report):
    cells, arcs, frame = part["cells"], part["arcs"], part["frame"]
    level, channel = LEVELS.index(line["level"]), CHANNELS.index(line["channel"])
    same = [a for a in arc_numbers if (arcs["level"][a], arcs["channel"][a]) == (level, channel)]
    chance = Fraction(arcs["x"][same[0]], BATCH * cells["units"][cell]) if same else None
    options = [o for o in row["options"] if o["channel"] == line["channel"]]
    unit, sub_key = f"{row['enterprise_id']}/{row['product_id']}", key.sub_key("options")

    def rank(option):
        text = f"{option['platform']}/{option['sale_division']}"
        return hash_.of(sub_key + f"{unit}/{text}".encode()), text.encode()

    option = min(options, key=rank) if options else {"platform": None, "sale_division": None}
    first = cells["first_wave"][cell] + 1
    wanted = dict(
        lot=lot,
        cell=part["first_cell"] + cell,
        county=part["county"],
        authority=part["county"][: 2 * level + 2],
        area=AREAS[cells["area"][cell]],
        tier=frame["tiers"][cells["tier"][cell]],
        key=frame["products"][cells["product"][cell]]["key"],
        probability=chance and f"{chance.numerator}/{chance.denominator}",
        enterprise_name=row["enterprise_name"],
        platform=option["platform"],
        sale_division=option["sale_division"],
    )
    for name, value in wanted.items():
        report.equal(line[name], value, f"line {line['line']}: {name}")
    last = first if line["replacement_rank"] else waves
    report.require(first <= line["wave"] <= last, f"line {line['line']}: wave {line['wave']}")


def public(members, plan_id, freeze, report):
    part = json.loads(members["public.json"])
    lines = [json.loads(line) for line in members["lines.jsonl"].decode().split("\n")[:-1]]
    data = members["leaves.bin"]
    leaves = [data[i : i + 32] for i in range(0, len(data), 32)]
    report.check("protocol")
    report.equal(part["plan"]["id"], plan_id, "the plan")
    hash_ = Hash(part["policy"].get("hash", "sha-256"))
    inputs(part, freeze, report)
    policy = hash_.framed(
        "spotcheck/m1/policy",
        json.dumps(
            part["policy"], ensure_ascii=False, separators=(",", ":"), sort_keys=True
        ).encode(),
    )
    report.equal(policy.hex(), freeze["policy"], "the policy's digest")
    catalogue, counties = bytes.fromhex(part["catalogue"]), bytes.fromhex(part["counties"])
    report.equal(frame_of(hash_, part["frame"], catalogue, counties), freeze["frame"], "the frame")
    report.equal(hash_.root(leaves).hex(), freeze["lines"], "the commitment to the lines")
    report.check("lines")
    until = part["sampled_until"]
    waves = part["plan"]["waves"]
    over = sum(1 for wave in waves if wave["until"] <= until)
    for opened in lines:
        line, blind = opened["line"], bytes.fromhex(opened["blind"])
        leaf = line_leaf(hash_, line, blind)
        report.require(leaves[line["line"] - 1] == leaf, f"line {line['line']}: is another")
        early = not line["replacement_rank"] and line["wave"] > over
        report.require(not early, f"line {line['line']}: its wave is not over")
    due = sum(wave["batches"] for wave in waves[:over])
    drawn = sum(1 for opened in lines if not opened["line"]["replacement_rank"])
    report.equal(drawn, due, "the lines of waves that are over")
    report.check("quotas")
    wide = {"level", "channel", "area"}
    secret = lambda dim: dim in ("tier", "accident", "cluster") or dim.startswith("x_")
    asked = set()
    for quota in part["policy"]["quota"]:
        for scope in quota["each"]:
            dims = [] if scope == "plan" else scope.split("/")
            speaks = any(secret(dim) for dim in [*quota["where"], *dims])
            small = speaks and not all(dim in wide or secret(dim) for dim in dims)
            if not small:
                asked.add((quota["name"], scope))
    shown = {(row["quota"], row["scope"]) for row in part["compliance"]}
    report.equal(shown, asked, "the quotas that are shown")
    for row in part["compliance"]:
        minimum = row["bound"] == "min"
        kept = row["planned"] >= row["required"] if minimum else row["planned"] <= row["required"]
        firm = row["hardness"] != "target"
        report.require(kept or not firm, f"{row['quota']}, {row['group']}: is not kept")
        if row["asked"].endswith("%") and row["base"]:
            part_of = share(row["asked"]) * row["base"]
            wanted = -(-part_of.numerator // part_of.denominator) if minimum else int(part_of)
            report.equal(row["required"], wanted, f"{row['quota']}, {row['group']}: required")
    for level in LEVELS:
        own = sum(a["batches"] for a in part["authorities"] if a["level"] == level)
        budget = part["policy"]["budget"].get(level)
        report.equal(own, budget["total"] if budget else 0, f"the batches of level {level}")
