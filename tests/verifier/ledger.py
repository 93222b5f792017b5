"""The log: entries that follow one another by rule, and their tree: PROTOCOL.md, "The log"."""

import base64
import json

from hashes import Hash
from notes import note_text

LOG = Hash()


class Ledger:
    """The log's entries as they leave the states of plans; ValueError where a rule is broken."""

    def __init__(self, lines):
        self.leaves, self.keys, self.origin, self.time = [], [], "", 0
        self.freezes, self.programmes, self.values = {}, {}, set()
        for line in lines:
            entry = json.loads(line)
            if json.dumps(entry, ensure_ascii=False, separators=(",", ":")) != line:
                raise ValueError(f"entry {len(self.leaves)} has another text")
            if entry["sequence"] != len(self.leaves) or entry["log"] != "spotcheck-log/1":
                raise ValueError(f"entry {entry['sequence']} where {len(self.leaves)} is next")
            if entry["time"] < self.time:
                raise ValueError("time goes back")
            event = entry["event"]
            if (event["kind"] == "open") != (not self.leaves):
                raise ValueError("a log begins with the entry that opens it")
            getattr(self, event["kind"])(event)
            self.time = entry["time"]
            self.leaves.append(LOG.leaf(line.encode()))

    def head(self, checkpoint):
        """The root and size that a signed head gives; signed by any key of the log."""
        for key in self.keys:
            try:
                origin, size, root = note_text(checkpoint, key).splitlines()[:3]
            except ValueError:
                continue
            if origin == self.origin:
                return base64.b64decode(root), int(size)
        raise ValueError("a head that no key of the log has signed")

    def of_plan(self, plan):
        for freeze in self.freezes.values():
            if freeze.get("plan") == plan:
                return freeze
        raise ValueError(f"the log knows no plan {plan}")

    def moved(self, freeze, before, after):
        if freeze["state"] not in before:
            raise ValueError(f"{freeze['freeze']} is {freeze['state']}; it can't be {after}")
        freeze["state"] = after

    def open(self, event):
        self.origin, self.keys = event["origin"], [event["key"]]

    def freeze(self, event):
        place = (event["programme"], tuple(event["period"]))
        before = self.programmes.setdefault(place, [])
        if event["freeze"] in self.freezes:
            raise ValueError("a name twice")
        latest = before[-1] if before else None
        if latest and latest["state"] in ("frozen", "seeded"):
            raise ValueError("the programme has an open record")
        if event["predecessor"] != (latest["freeze"] if latest else ""):
            raise ValueError("a record must name the one before it")
        if latest and not event["reason"].strip():
            raise ValueError("a further record needs a reason")
        record = dict(event, state="frozen", number=len(before) + 1, place=place)
        record.update(replaced=[], out=set(), taken={})
        before.append(record)
        self.freezes[event["freeze"]] = record

    def seed(self, event):
        freeze = self.freezes[event["freeze"]]
        self.moved(freeze, ("frozen",), "seeded")
        source = freeze["seed"]["source"]
        public = source in ("ceremony", "beacon")
        if event["source"] != source or public != bool(event["public_value"]):
            raise ValueError("a seed of another source")
        value = (freeze["place"], event["public_value"])
        if public and value in self.values:
            raise ValueError("this public value has served the programme before")
        self.values.add(value)
        freeze["opened"] = event["seed"]

    def draw(self, event):
        freeze = self.freezes[event["freeze"]]
        self.moved(freeze, ("seeded",), "drawn")
        for name in ("plan", "document", "counts", "lines"):
            freeze[name] = event[name]

    def issue(self, event):
        freeze = self.of_plan(event["plan"])
        self.moved(freeze, ("drawn",), "issued")
        if freeze["document"] != event["document"]:
            raise ValueError("another file is issued than was drawn")

    def replace(self, event):
        freeze = self.of_plan(event["plan"])
        self.moved(freeze, ("issued",), "issued")
        line, arc, rank = event["line"], event["arc"], event["rank"]
        taken, empty = freeze["taken"].get(arc, (0, False))
        if line in freeze["out"] or (rank and (empty or rank != taken + 1)):
            raise ValueError(f"line {line}: unit {rank} of arc {arc} is not the next")
        freeze["out"].add(line)
        freeze["taken"][arc] = (max(taken, rank), not rank)
        freeze["replaced"].append(event)

    def supersede(self, event):
        old, new = self.of_plan(event["plan"]), self.of_plan(event["by"])
        later = new["place"] == old["place"] and new["number"] > old["number"]
        if not later or new["state"] not in ("drawn", "issued") or not event["reason"].strip():
            raise ValueError("a plan is superseded by a later one of its programme, for a reason")
        self.moved(old, ("drawn", "issued"), "superseded")

    def void(self, event):
        if not event["reason"].strip():
            raise ValueError("a void needs a reason")
        self.moved(self.freezes[event["freeze"]], ("frozen", "seeded", "drawn", "issued"), "void")

    def key_change(self, event):
        if event["old"] != self.keys[-1]:
            raise ValueError("another key hands over")
        wanted = f"spotcheck key change\n{event['old']}\n{event['new']}\n"
        if {note_text(event["note"], key) for key in (event["old"], event["new"])} != {wanted}:
            raise ValueError("a change of keys is not signed by both")
        self.keys.append(event["new"])
