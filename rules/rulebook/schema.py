"""The shape of a rule file as a JSON schema (draft 2020-12), for editors: they complete fields and say what they mean.

The reader decides what a file may say; a test holds this against the fields that it takes. `amor rules schema` prints it.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from bridge.model.alarm import Severity
from bridge.model.production import EventKind, MachineState
from rules.durations import PATTERN
from rules.rulebook.cases import Told
from rules.rulebook.model import When
from rules.rulebook.postings import FINAL, KINDS
from rules.rulebook.presets import PRESETS
from rules.rulebook.presets.iso import ISO_10816_1

Schema = dict[str, Any]
_ID: Final = "https://amor.invalid/schema/rules-v1.json"


def rule_file_schema() -> Schema:
    """The schema of a whole file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        "title": "Rules of amor",
        **_mapping({"apiVersion": {"const": "rules/v1"}, "rules": _list(_rule(), "The rules.")}, "apiVersion", "rules"),
        "$defs": {
            "duration": {"type": "string", "pattern": f"^{PATTERN}$", "description": "500ms, 20s, 5m, 1h30m, 14d"},
            "expression": {
                "type": ["string", "boolean"],
                "maxLength": 1000,
                "description": "An expression, in quotes.",
            },
            "severity": {"enum": [str(each) for each in Severity]},
            "state": {"enum": [str(each) for each in MachineState]},
        },
    }


def _rule() -> Schema:
    kinds = ("levels", "on", "preset")
    return {
        **_mapping({
            "id": _text("Name of the rule; alarms are kept under it.", pattern="^[a-z0-9][a-z0-9_-]{0,80}$"),
            "for_each": _mapping({
                "equipment_class": _text("Assets of this class."),
                "equipment": _text("Assets whose path is this; * and ? stand for anything."),
            }, says="Which assets the rule holds for. Default: all that have the tags."),
            "inputs": {"type": "object", "minProperties": 1, "maxProperties": 32, "additionalProperties": _input(),
                       "description": "Tags of the asset, under names that expressions use."},
            "baseline": _baseline(),
            "let": {"type": "object", "maxProperties": 64, "additionalProperties": _expression("What the name stands for."),
                    "description": "Names for expressions."},
            "levels": _list(_level(), "Levels of the alarm, mildest first.", minItems=1),
            "on": _expression("Which pieces are meant, e.g. delta(good) > 0."),
            "require": _expression("What must hold when a piece is counted."),
            "preset": _preset(),
            "when_state": _states("The machine states in which the rule looks. Default: all."),
            "settle": _duration("How long after coming into one of when_state it begins to look. Default: 0s."),
            "on_unknown": {"enum": ["hold", "clear", "raise"], "default": "hold",
                           "description": "What a condition that is unknown does."},
            "stale": _mapping({
                "after": _duration("No good reading of an input for this long."),
                "raise": _severity("How bad that is. Default: low."),
                "response": _text("What to do then."),
            }, "after", says="Makes a rule <id>.stale of its own that watches the inputs."),
            "consequence": _text("What happens if nobody does anything."),
            "response": _text("What the operator is to do; an alarm without one is none (ISA-18.2)."),
            "shadow": _truth("On trial: alarms are kept and shown, nothing follows from them."),
            "parent": _text("Id of a rule whose alarm on this asset or one above suppresses this one's."),
            "group": {"enum": ["line", "work_center", "area", "site"], "description": "Where the first of several alarms is marked."},
            "actions": _list(_action(), "What follows."),
            "tests": _list(_case(), "What is fed to the rule, and what it must tell.", maxItems=50),
        }, "id", "inputs"),
        "oneOf": [{"required": [kind]} for kind in kinds],
    }  # fmt: skip


def _input() -> Schema:
    return _mapping({
        "tag": _text("Name of the tag."),
        "unit": _text("UCUM code that the tag must have: mm/s, Cel, bar."),
        "type": {"enum": ["number", "text"], "default": "number"},
        "max_age": _duration("A value older than this is unknown. Default: never."),
        "counter": _mapping({
            "modulus": _count("It begins again at 0 after modulus - 1. Default: never."),
            "max_delta": _count("A step above this is not believed. Default: 1000."),
        }, says="The tag counts."),
        "of": {"const": "siblings", "description": "Of the other assets of the same class under the same parent."},
        "stat": {"enum": ["median", "mean", "min", "max"], "default": "median"},
    }, "tag")  # fmt: skip


def _level() -> Schema:
    return _mapping({
        "severity": _severity("How bad it is."),
        "if": _expression("The condition."),
        "clear": _expression("The other end of the deadband: the level is left where it holds. Default: where `if` does not."),
        **_delays("0s", "0s"),
    }, "severity", "if")  # fmt: skip


def _delays(on: str, off: str) -> Schema:
    return {
        "on_delay": _duration(f"How long the condition must hold. Default: {on}."),
        "off_delay": _duration(f"How long it must be clear. Default: {off}."),
        "latch": _truth("Once reached, the alarm ends by a person's reset."),
        "rearm": _duration("The least time between two raises."),
        "realarm": _duration("Acknowledged and still there after this long: it calls again."),
    }


def _baseline() -> Schema:
    band = _mapping({"of": _expression("The input, e.g. a speed."), "band": _number("Width of a band.")}, "of", "band")
    return _mapping({
        "of": _expression("The input, or expression of inputs, whose past is the norm."),
        "window": _duration("How long that past is."),
        "lag": _duration("How long ago it ended. Default: 0s."),
        "min_samples": _count("Fewer readings are no norm. Default: 30."),
        "stat": {"enum": ["mean_std", "median_mad"], "default": "mean_std",
                 "description": "Gives baseline.mean and baseline.std, or baseline.median and baseline.mad."},
        "where": _states("Only what was read in these states. Default: all."),
        "by": {"anyOf": [{"const": "state"}, band], "description": "One norm for each state, or each band of another input."},
    }, "of", "window", says="What is normal: names the past of a signal for expressions.")  # fmt: skip


def _preset() -> Schema:
    own = {name: {**fields, "description": PRESETS[name].says} for name, fields in _preset_fields().items()}
    common = {
        "of": _expression("The input, or expression of inputs, that it is about."),
        "severities": _list({"$ref": "#/$defs/severity"}, "One a level, mildest first."),
        "deadband": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "description": "A share of the limit."},
        **_delays("the preset's", "the preset's"),
    }
    says = "Levels that somebody has thought through, for one signal."
    return {**_mapping({**own, **common}, "of", says=says), "oneOf": [{"required": [name]} for name in own]}


def _preset_fields() -> dict[str, Schema]:
    target = {"target": _operand("What it should be."), "sigma": _operand("Its standard deviation in control.")}
    rules = {"rules": _list({"type": "integer", "minimum": 1}, "Only these. Default: all.")}
    after = {"after": _duration("For how long.")}
    return {
        "iso20816_3": _mapping({"group": {"enum": [1, 2, "1", "2"]}, "support": {"enum": ["rigid", "flexible"]}}, "group", "support"),
        "iso10816_1": _mapping({"class": {"enum": list(ISO_10816_1)}}, "class"),
        "western_electric": _mapping({**target, **rules}, "target", "sigma"),
        "nelson": _mapping({**target, **rules}, "target", "sigma"),
        "ewma": _mapping({**target, "lambda": _number("Default: 0.2."), "L": _number("Default: 3.")}, "target", "sigma"),
        "cusum": _mapping({**target, "k": _number("Default: 0.5."), "h": _number("Default: 5.")}, "target", "sigma"),
        "stale": _mapping(after, "after"),
        "flatline": _mapping({"for": _duration("For how long."), "band": _number("Default: 0."), "least": _count("Default: 3.")}, "for"),
        "rate_of_change": _mapping({
            "limit": _number("The greatest change in the time of per."), "per": _duration("Default: 1m."),
            "over": _duration("Measured over this. Default: from reading to reading."),
            "direction": {"enum": ["both", "rising", "falling"], "default": "both"},
        }, "limit"),
        "out_of_range": _mapping({"min": _number("The least."), "max": _number("The greatest.")}),
        "counter_stall": _mapping(after, "after"),
    }  # fmt: skip


def _action() -> Schema:
    connector = _text("Name of the connector in the configuration.")
    lowest = _severity("From this level on. Default: low.")
    occasion = {"from": lowest, "on": _list({"enum": list(get_args(When))}, "When. Default: raise, escalate.")}
    evidence = _mapping({
        "before": _duration("Default: 10m."), "after": _duration("Default: 1m."),
        "tags": _list({"type": "string"}, "Names of inputs or tags. Default: the inputs."),
    }, says="The readings that it carries.")  # fmt: skip
    return _mapping({
        "ticket": _mapping({
            "failure_mode": _text("ISO 14224 failure mode; one ticket is open for each on an asset."),
            "priority": {"enum": ["from_severity", *(str(each) for each in Severity)], "default": "from_severity"},
            "from": lowest, "connector": connector, "evidence": evidence,
        }, "failure_mode"),
        "erp_posting": _posting(connector),
        "notify": _mapping({"to": _list({"type": "string"}, "Roles."), **occasion}, "to"),
        "webhook": _mapping({"connector": connector, **occasion}, "connector"),
        "write": _mapping({
            "connector": connector, "tag": _text("The tag; the connector must allow it."),
            "value": {"type": ["number", "string", "boolean"]}, **occasion,
        }, "connector", "tag", "value"),
    })  # fmt: skip


def _posting(connector: Schema) -> Schema:
    return _mapping({
        "connector": connector,
        "kind": {"enum": [str(kind) for kind in KINDS], "default": str(EventKind.WIP_TO_FG), "description": "As what."},
        "quantity": _expression("delta(counter)."),
        "batch": _mapping({"max_qty": _count("Pieces. Default: 1."), "max_wait": _duration("Default: 0s.")}),
        "lot": _mapping({"tag": _text("The tag that names the lot, that of [production] lot.")}, "tag",
                        says="The lot of the pieces goes along; each lot is an event of its own."),
        "serials": _mapping({"tag": _text("The tag of the serial number, that of [production] serial.")}, "tag",
                            says="Each piece goes along with its serial number; one without waits for a person."),
        "item": _text("kind: consumed. What each piece takes."),
        "uom": _text("kind: consumed. UCUM code of what it is measured in: kg. Default: pcs, pieces."),
        "per_piece": {
            "anyOf": [{"type": "string", "pattern": "^[0-9]{1,9}([.][0-9]{1,12})?$"}, {"type": "number", "exclusiveMinimum": 0}],
            "description": "kind: consumed. How much a piece takes, exactly as its digits say. Default: 1.",
        },
        "location": _text("kind: consumed. Where it came from. Default: as the ERP has it."),
        "segment": _text("kind: performance. Number of the operation in the ERP. Default: the order as a whole."),
        "final": {"enum": list(FINAL), "default": "never",
                  "description": "kind: performance. Whether the last one of a machine and order is final."},
    }, "connector")  # fmt: skip


def _case() -> Schema:
    instant: Schema = {"$ref": "#/$defs/duration"}
    value: Schema = {"type": ["number", "string"], "description": "A number, a text, or bad."}
    sample = {
        "type": "array",
        "minItems": 2,
        "maxItems": 3,
        "prefixItems": [instant, value, {"enum": ["good", "uncertain", "bad"]}],
    }
    series = _mapping({
        "from": instant, "every": instant, "count": _count("How many readings."),
        "values": {"anyOf": [value, _list(value, "Taken in turn.")]}, "step": _number("More each time. Default: 0."),
    }, "every", "count", "values")  # fmt: skip
    expected = {"type": "array", "minItems": 3, "maxItems": 3,
                "prefixItems": [instant, {"enum": list(get_args(Told))}, {"$ref": "#/$defs/severity"}]}  # fmt: skip
    return _mapping({
        "name": _text("What the test shows."),
        "feed": {"type": "object", "additionalProperties": {"type": "array", "items": {"anyOf": [sample, series]}}},
        "states": _list({"type": "array", "prefixItems": [instant, {"$ref": "#/$defs/state"}]}, "States of the machine."),
        "order": _text("The order that is being worked on."),
        "until": _duration("How far time goes. Default: the last of what is fed or expected."),
        "expect": _list(expected, "All that is told, in order."),
    }, "feed", "expect")  # fmt: skip


def _mapping(fields: dict[str, Schema], *required: str, says: str = "") -> Schema:
    found: Schema = {"type": "object", "additionalProperties": False, "properties": fields}
    if required:
        found["required"] = list(required)
    return {**found, "description": says} if says else found


def _list(items: Schema, says: str, **more: int) -> Schema:
    return {"type": "array", "items": items, "description": says, **more}


def _states(says: str) -> Schema:
    one: Schema = {"$ref": "#/$defs/state"}
    return {"anyOf": [one, {"type": "array", "items": one}], "description": says}


def _text(says: str, **more: str) -> Schema:
    return {"type": "string", "minLength": 1, "description": says, **more}


def _number(says: str) -> Schema:
    return {"type": "number", "description": says}


def _count(says: str) -> Schema:
    return {"type": "integer", "minimum": 1, "description": says}


def _truth(says: str) -> Schema:
    return {"type": "boolean", "default": False, "description": says}


def _operand(says: str) -> Schema:
    return {"type": ["number", "string"], "description": says}


def _duration(says: str) -> Schema:
    return {"$ref": "#/$defs/duration", "description": says}


def _expression(says: str) -> Schema:
    return {"$ref": "#/$defs/expression", "description": says}


def _severity(says: str) -> Schema:
    return {"$ref": "#/$defs/severity", "description": says}
