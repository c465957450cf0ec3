"""Names that stand for expressions: `let`, and those of `baseline`. They are replaced where they are used; nothing runs for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bridge.model.production import MachineState
from rules.conditions.facts import MACHINE_STATE, STATES, expression_text
from rules.durations import duration, microseconds
from rules.language import NUMBER, ExpressionError, Scope, resolve
from rules.language.check import resolve_node
from rules.language.parse import parse
from rules.language.tree import Binary, Call, Duration, Literal, Named, Node, Ternary
from rules.language.typed import BROKEN
from rules.nodes import Scalar
from rules.rulebook.inputs import is_name
from rules.section import Item, Section, count, number, one_of, text

MAX_LETS: Final = 64
_STATISTICS: Final = {
    "mean_std": {"baseline.mean": "baseline_mean", "baseline.std": "baseline_std"},
    "median_mad": {"baseline.median": "baseline_median", "baseline.mad": "baseline_mad"},
}


def read_names(section: Section, scope: Scope) -> None:
    """Take `baseline` and `let`, in this order, into the scope; a name with a mistake is told once and known as such."""
    if item := section.item_of("baseline"):
        _baseline(section, item, scope)
    if item := section.item_of("let"):
        _let(section, item, scope)


def read_states(section: Section, name: str) -> frozenset[MachineState]:
    """Take a list of machine states, or one."""
    return frozenset(section.reader.words(section.item_of(name), one_of(MachineState, list(MachineState))))


def _let(section: Section, item: Item, scope: Scope) -> None:
    fields = section.reader.section(item)
    names = fields.keys()
    if len(names) > MAX_LETS:
        section.reader.tell(item, f"names more than {MAX_LETS} expressions: split the rule")
    for name in names[:MAX_LETS]:
        child = fields.item_of(name)
        assert child is not None, "the key was there"
        if not is_name(name) or name in scope.names:
            section.reader.tell(child, f"{name!r:.60} is no name that is free; letters, digits and _")
            continue
        found = section.reader.convert(child, lambda value: resolve(expression_text(value), scope))
        scope.stands_for[name] = found or BROKEN


def _baseline(section: Section, item: Item, scope: Scope) -> None:
    fields = section.reader.section(item)
    of_item = fields.item_of("of")
    if of_item is None:
        section.reader.tell(item, "of is missing: the input, or an expression of inputs, whose past is the norm")
    of = section.reader.convert(of_item, lambda v: _number(v, scope)) if of_item else None
    window = fields.need("window", lambda v: duration(text(v)), ", e.g. window: 14d")
    lag = fields.take("lag", lambda v: duration(text(v)), timedelta())
    least = fields.take("min_samples", count, 30)
    stat = fields.take("stat", one_of(str, list(_STATISTICS)), "mean_std")
    where = read_states(fields, "where")
    by = _by(section, fields, scope)
    fields.close()
    parameters: tuple[Node, ...] = (
        Duration(microseconds(window or duration("1d")), 0),
        Duration(microseconds(lag), 0),
        Literal(float(least), 0),
    )
    if by:
        parameters = (*parameters, Literal(by[1], 0))
    for name, function in _STATISTICS[stat].items():
        arguments = (of, by[0], *parameters) if of and by else (of, *parameters) if of else ()
        scope.stands_for[name] = BROKEN
        if of is None or window is None:
            continue
        try:
            scope.stands_for[name] = resolve_node(Call(function, arguments, 0, where), scope)
        except ExpressionError as error:
            section.reader.tell(item, error.mistakes[0].message)
            break


def _by(section: Section, fields: Section, scope: Scope) -> tuple[Node, float] | None:
    """`by: {of: rpm, band: 100}`: one norm for each band of that width. `by: state`: one for each state of the machine."""
    item = fields.item_of("by")
    if item is None:
        return None
    if isinstance(item.node, Scalar):
        if item.node.value == "state":
            return _number_of_state(), 1.0
        section.reader.tell(item, "must be state, or {of: INPUT, band: WIDTH}")
        return None
    inner = section.reader.section(item)
    of = inner.need("of", lambda v: _number(v, scope), ": the input whose bands are told apart")
    band = inner.need("band", number, ": the width of a band")
    inner.close()
    return (of, band) if of and band else None


def _number_of_state() -> Node:
    """The state as a number: machine.state == 'RUNNING' ? 0 : machine.state == 'IDLE' ? 1 : ..."""
    last = len(STATES) - 1
    found: Node = Literal(float(last), 0)
    for index in range(last - 1, -1, -1):
        asked = Binary("==", Named(MACHINE_STATE, 0), Literal(STATES[index], 0), 0)
        found = Ternary(asked, Literal(float(index), 0), found, 0)
    return found


def _number(value: object, scope: Scope) -> Node:
    text_ = expression_text(value)
    resolve(text_, scope, NUMBER)
    return parse(text_)
