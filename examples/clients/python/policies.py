"""Policies: the TOML text as the message, which has the same shape.

Where TOML allows several kinds of values, the message says which one it is.
"""

import tomllib

from google.protobuf import json_format


def text(value):
    """A condition's value as its text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def conditions(where):
    """One value or several, as a list."""
    return {
        dim: {"values": [text(one) for one in (value if isinstance(value, list) else [value])]}
        for dim, value in where.items()
    }


def amount(value):
    """Batches, or a share of them."""
    return {"batches": value} if isinstance(value, int) else {"share": value}


def multipliers(value):
    """One multiplier for units of which it is true, or one for each value."""
    return {"table": {"values": value}} if isinstance(value, dict) else {"if_true": value}


def policy(connection, path):
    """The policy of a file."""
    with open(path, "rb") as file:
        draft = tomllib.load(file)
    for table in ("quota", "certain", "exclude"):
        for rule in draft.get(table, []):
            if "where" in rule:
                rule["where"] = conditions(rule["where"])
    for quota in draft.get("quota", []):
        for bound in {"min", "max"} & quota.keys():
            quota[bound] = amount(quota[bound])
    if "weights" in draft:
        draft["weights"] = {by: multipliers(value) for by, value in draft["weights"].items()}
    return json_format.ParseDict(draft, connection.message("Policy")())
