"""The rule language: text -> tokens -> typed tree -> closure. A strict subset of CEL (Common Expression Language).

Literals, named inputs, arithmetic, comparison, `&& || !`, the ternary, and two closed tables of functions: of this instant
(FUNCTIONS) and of the past (HISTORIES). No attributes, loops, macros or regular expressions; length, depth and number of nodes
are capped, so that an expression's work is bounded by its text. Logic is three-valued (Kleene): a value that is missing is unknown (None), and what depends on it is unknown too.
"""

from rules.language.expression import Expression, HistorySpec, Row, compile_expression, resolve
from rules.language.mistake import ExpressionError, Mistake
from rules.language.typed import Scope, Typed
from rules.language.types import BOOL, NUMBER, TEXT, Kind, Name, Value

__all__ = [
    "BOOL",
    "NUMBER",
    "TEXT",
    "Expression",
    "ExpressionError",
    "HistorySpec",
    "Kind",
    "Mistake",
    "Name",
    "Row",
    "Scope",
    "Typed",
    "Value",
    "compile_expression",
    "resolve",
]
