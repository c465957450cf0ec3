"""Odoo's search: domains in prefix notation, order, and reading records with their many2one names.

A domain is a list of `[field, operator, value]` and of the operators `&`, `|`, `!` before what they join; leaves
side by side are joined by `&`. A text compared with a many2one field is compared with the name it shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from simulators.erp.errors import UnknownField, WrongArguments
from simulators.erp.models import AUTOMATIC, MODELS, Row
from simulators.erp.store import Store, check_fields

ARITY = {"&": 2, "|": 2, "!": 1}
LEAF_PARTS = 3


def display_name(model: str, row: Row) -> str:
    """The name that a many2one field shows."""
    if model == "product.product" and row.get("default_code"):
        return f"[{row['default_code']}] {row['name']}"
    if model == "stock.location":
        return str(row["complete_name"])
    return str(row.get("name") or f"{model},{row['id']}")


def search(
    store: Store, model: str, domain: Any, limit: int | None = None, offset: int = 0, order: str | None = None
) -> list[Row]:
    """Records that a domain selects; raises UnknownField or WrongArguments."""
    matches = _compile(store, model, domain)
    found = [row for row in store.rows(model) if matches(row)]
    for name, backwards in reversed(_order(model, order or "id")):
        found = _sorted_by(found, name, backwards)
    return found[offset : offset + limit] if limit else found[offset:]


def read(store: Store, model: str, rows: list[Row], fields: Any, location: int | None = None) -> list[Row]:
    """Records as the API shows them: chosen fields, `id` always, many2one as `[id, name]`."""
    names = fields or [*MODELS[model].defaults, *AUTOMATIC]
    check_fields(model, names)
    return [{"id": row["id"], **{n: _shown(store, model, row, n, location) for n in names}} for row in rows]


def _shown(store: Store, model: str, row: Row, name: str, location: int | None) -> Any:
    if name == "display_name":
        return display_name(model, row)
    if model == "product.product" and name in ("qty_available", "free_qty"):
        on_hand = store.on_hand(row["id"], location)
        return on_hand - store.reserved(row["id"], location) if name == "free_qty" else on_hand
    if name in ("product_tracking", "has_tracking"):
        product = store.find("product.product", row["product_id"]) if row["product_id"] else None
        return product["tracking"] if product else "none"
    target = MODELS[model].many2one.get(name)
    if target is None or not row[name]:
        return row[name]
    other = store.find(target, row[name])
    return [row[name], display_name(target, other) if other else ""]


Predicate = Callable[[Row], bool]


def _compile(store: Store, model: str, domain: Any) -> Predicate:
    if not isinstance(domain, list):
        raise WrongArguments("the domain must be a list")
    position = 0

    def term() -> Predicate:
        nonlocal position
        if position >= len(domain):
            raise WrongArguments("the domain ends where an operand should be")
        part = domain[position]
        position += 1
        if not isinstance(part, str):
            return _leaf(store, model, part)
        if part not in ARITY:
            raise WrongArguments(f"invalid domain operator {part!r}")
        operands = [term() for _ in range(ARITY[part])]
        if part == "!":
            return lambda row: not operands[0](row)
        joined = any if part == "|" else all
        return lambda row: joined(operand(row) for operand in operands)

    terms = []
    while position < len(domain):
        terms.append(term())
    return lambda row: all(matches(row) for matches in terms)


def _leaf(store: Store, model: str, part: Any) -> Predicate:
    if not isinstance(part, list) or len(part) != LEAF_PARTS or not isinstance(part[0], str):
        raise WrongArguments(f"invalid domain term {part!r}")
    name, operator, value = part
    check_fields(model, [name])
    if operator not in COMPARE:
        raise WrongArguments(f"invalid domain operator {operator!r}")
    target = MODELS[model].many2one.get(name)
    by_name = target is not None and _is_text(value)

    def matches(row: Row) -> bool:
        own: Any = row[name] if name != "display_name" else display_name(model, row)
        if by_name and target is not None:
            other = store.find(target, int(own)) if own else None
            own = display_name(target, other) if other else False
        return COMPARE[operator](own, value)

    return matches


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and any(isinstance(v, str) for v in value))


def _like(own: Any, pattern: Any, flags: int = 0, *, whole: bool = False) -> bool:
    """SQL's patterns: `%`, `_`, and a backslash before one of them that is meant as it is."""
    if not own:
        return False
    parts = re.findall(r"\\.|.", str(pattern), re.DOTALL)
    wild = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
    match = re.fullmatch if whole else re.search
    return match(wild, str(own), flags | re.DOTALL) is not None


def _compared(own: Any, value: Any, accept: Callable[[Any, Any], bool]) -> bool:
    if own is False or own is None or isinstance(own, str) != isinstance(value, str):
        return False
    return accept(own, value)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda own, value: own == value or (not own and value in (False, None)),
    "!=": lambda own, value: not (own == value or (not own and value in (False, None))),
    "in": lambda own, value: own in value,
    "not in": lambda own, value: own not in value,
    "=like": lambda own, value: _like(own, value, whole=True),
    "like": _like,
    "ilike": lambda own, value: _like(own, value, re.IGNORECASE),
    ">": lambda own, value: _compared(own, value, lambda a, b: a > b),
    ">=": lambda own, value: _compared(own, value, lambda a, b: a >= b),
    "<": lambda own, value: _compared(own, value, lambda a, b: a < b),
    "<=": lambda own, value: _compared(own, value, lambda a, b: a <= b),
}


def _order(model: str, text: str) -> list[tuple[str, bool]]:
    terms = []
    for term in text.split(","):
        words = term.split()
        if not words or words[1:] not in ([], ["asc"], ["desc"], ["ASC"], ["DESC"]):
            raise WrongArguments(f"invalid order {text!r}")
        if not MODELS[model].has(words[0]):
            raise UnknownField(f"Invalid field '{words[0]}' on model '{model}'")
        terms.append((words[0], words[-1].lower() == "desc"))
    return terms


def _sorted_by(rows: list[Row], name: str, backwards: bool) -> list[Row]:
    return sorted(rows, key=lambda row: _sortable(row[name]), reverse=backwards)


def _sortable(value: Any) -> tuple[int, Any]:
    """Empty values first, so that they never meet texts or numbers in a comparison."""
    return (0, 0) if value is False or value is None else (1, value)
