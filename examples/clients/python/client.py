#!/usr/bin/env python3
"""A client of spotcheck: imports CSV files, draws plans, lists, exports and checks them."""

import argparse
import csv
import hashlib
import os
import sys
import tomllib
import uuid

import grpc
from google.protobuf import json_format

import policies
import tables
from connection import Connection, details

# Bytes of a plan file in one message.
PIECE = 256 * 1024
# The columns of the lines, as `spotcheck lines` writes them.
COLUMNS = (
    "line level authority enterprise_id product_id channel county area tier key wave probability "
    "lot replacement_rank cell enterprise_name platform sale_division"
).split()


def do_import(connection, args):
    found = tables.files(args.dir)
    # The same in every attempt: an import that succeeded unheard is not made twice.
    request_id = uuid.uuid4().hex

    def messages():
        return tables.messages(
            connection, found, args.id_scheme, args.mode, args.base_revision, request_id
        )

    answer = connection.call("RegistryService", "Import", messages)
    print(answer.revision.name, "unchanged" if answer.unchanged else "imported")
    for table in tables.TABLES:
        print(f"{table:12} {getattr(answer.revision.counts, table):12}")


def do_freeze(connection, args):
    request = connection.message("FreezeFrameRequest")(
        policy=policies.policy(connection, args.policy), request_id=uuid.uuid4().hex
    )
    frame = connection.call("FrameService", "FreezeFrame", request).frame
    print(frame.name)
    print(f"units {frame.units} cells {frame.cells} excluded {frame.excluded_units}")


def do_plan(connection, args):
    create = connection.message("CreatePlanRequest")(
        seed_text=args.seed_text, request_id=uuid.uuid4().hex
    )
    if args.frame:
        create.frame = args.frame
    else:
        create.policy.CopyFrom(policies.policy(connection, args.policy))
    if args.supersedes:
        create.supersedes, create.reason = args.supersedes, args.reason
    request = connection.message("DrawPlanRequest")(create=create)
    plan = None
    for answer in connection.call("PlanService", "DrawPlan", request):
        if answer.WhichOneof("event") == "stage":
            print(answer.stage, file=sys.stderr)
        else:
            plan = answer.created.plan
    print(plan.name)
    print(f"units {plan.units} batches {plan.batches} replacements {plan.replacements}")


def do_plans(connection, args):
    request = connection.message("ListPlansRequest")(page_size=1000)
    while True:
        answer = connection.call("PlanService", "ListPlans", request)
        for plan in answer.plans:
            print(plan.name, plan.batches, plan.document_digest)
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


def do_lines(connection, args):
    request = connection.message("StreamPlanLinesRequest")(plan=args.plan)
    if args.level:
        request.filter.level = connection.enum("Level")[f"LEVEL_{args.level.upper()}"]
    if args.authority:
        request.filter.authority = args.authority
    lines = connection.call("PlanService", "StreamPlanLines", request)
    with write_whole(args.out, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for answer in lines:
            writer.writerows(line_texts(line) for line in answer.lines)


def line_texts(line):
    """A line as its texts: enums as the words of the interface, `LEVEL_CITY` is `city`."""
    fields = line.DESCRIPTOR.fields_by_name
    for column in COLUMNS:
        value, enum = getattr(line, column), fields[column].enum_type
        if enum:
            yield enum.values_by_number[value].name.removeprefix(f"{enum.name.upper()}_").lower()
        elif isinstance(value, bool):
            yield str(value).lower()
        else:
            yield value


def do_export(connection, args):
    request = connection.message("ExportPlanRequest")(name=args.plan)
    answers = connection.call("PlanService", "ExportPlan", request)
    sha, size, promised = hashlib.sha256(), 0, None
    with write_whole(args.out, "wb") as file:
        for answer in answers:
            promised = promised or (answer.document_bytes, answer.document_digest)
            file.write(answer.data)
            sha.update(answer.data)
            size += len(answer.data)
        if promised != (size, sha.hexdigest()):
            raise tables.Wrong(f"{args.plan}: what arrived is not the plan file")
    print(sha.hexdigest(), args.out)


def do_verify(connection, args):
    request = connection.message("VerifyPlanRequest")

    def messages():
        if args.plan.startswith("plans/"):
            yield request(name=args.plan)
            return
        with open(args.plan, "rb") as file:
            while piece := file.read(PIECE):
                yield request(data=piece)

    answer = connection.call("PlanService", "VerifyPlan", messages)
    for check in answer.checks:
        word = f"{check.problem_count} problems" if check.problem_count else "ok"
        print(f"{check.name:24} {check.count:10} {word}")
        for problem in check.problems:
            print(f"  {problem}")
    print("holds" if answer.holds else "DOES NOT HOLD")
    return 0 if answer.holds else 4


def do_regenerate(connection, args):
    request = connection.message("RegeneratePlanRequest")(name=args.plan)
    answer = connection.call("PlanService", "RegeneratePlan", request)
    print(f"the same, byte for byte: {answer.lines} lines" if answer.same else answer.difference)
    return 0 if answer.same else 4


class write_whole:
    """A file that is there when it is whole; `-` is standard output."""

    def __init__(self, path, mode):
        self.path, self.mode = path, mode

    def __enter__(self):
        if self.path == "-":
            self.file = sys.stdout.buffer if "b" in self.mode else sys.stdout
        elif "b" in self.mode:
            self.file = open(self.path + ".part", self.mode)
        else:
            self.file = open(self.path + ".part", self.mode, encoding="utf-8", newline="")
        return self.file

    def __exit__(self, kind, *_):
        if self.path == "-":
            self.file.flush()
            return
        self.file.close()
        if kind is None:
            os.replace(self.path + ".part", self.path)
        else:
            os.unlink(self.path + ".part")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1:50051", metavar="HOST:PORT")
    parser.add_argument("--ca", metavar="FILE", help="speak TLS; certificates to trust (PEM)")
    parser.add_argument("--cert", metavar="FILE", help="the client's own certificate (PEM)")
    parser.add_argument("--key", metavar="FILE", help="its key (PEM)")
    parser.add_argument("--token-file", metavar="FILE", help="a bearer token to send")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="deadline of each call")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, what):
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(run=run)
        return added

    one = command("import", do_import, "Import CSV files as a new revision: all rows or none")
    one.add_argument("dir")
    one.add_argument("--id-scheme", choices=["uscc", "opaque"], default="uscc")
    one.add_argument("--mode", choices=["replace", "upsert"], default="replace")
    one.add_argument("--base-revision", default="", metavar="revisions/N")
    one = command("freeze", do_freeze, "Freeze the frame of a policy")
    one.add_argument("--policy", required=True, metavar="FILE.toml")
    one = command("plan", do_plan, "Draw a plan from a policy, or from a frozen frame")
    source = one.add_mutually_exclusive_group(required=True)
    source.add_argument("--policy", metavar="FILE.toml")
    source.add_argument("--frame", metavar="frames/DIGEST")
    one.add_argument("--seed-text", required=True, metavar="TEXT")
    one.add_argument("--supersedes", metavar="plans/PLAN")
    one.add_argument("--reason", default="", metavar="TEXT")
    command("plans", do_plans, "List the plans: name, batches, digest of the plan file")
    one = command("lines", do_lines, "Write the lines of a plan as CSV")
    one.add_argument("plan", metavar="plans/PLAN")
    one.add_argument("--level", choices=["province", "city", "county"])
    one.add_argument("--authority", metavar="CODE")
    one.add_argument("--out", default="-", metavar="FILE.csv")
    one = command("export", do_export, "Write the plan file")
    one.add_argument("plan", metavar="plans/PLAN")
    one.add_argument("--out", required=True, metavar="PLAN.json")
    one = command("verify", do_verify, "Check a plan file, or a plan by its name")
    one.add_argument("plan", metavar="PLAN.json or plans/PLAN")
    one = command("regenerate", do_regenerate, "Draw a plan again and compare every byte")
    one.add_argument("plan", metavar="plans/PLAN")
    return parser.parse_args()


INPUT = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


def main():
    args = arguments()
    try:
        with Connection(
            args.server, args.ca, args.cert, args.key, args.token_file, args.timeout
        ) as connection:
            return args.run(connection, args) or 0
    except grpc.RpcError as error:
        reason, places = details(error)
        print(f"{error.code().name} {reason}: {error.details()}", file=sys.stderr)
        for place in places:
            print(f"  {place}", file=sys.stderr)
        if reason in ("INFEASIBLE", "NOT_CERTIFIED"):
            return 3
        return 2 if error.code() in INPUT else 1
    except (tables.Wrong, tomllib.TOMLDecodeError, json_format.ParseError, csv.Error) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
