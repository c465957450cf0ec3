"""The rule language: text -> tokens -> typed tree -> closure. A strict subset of CEL (Common Expression Language).

Literals, named inputs, arithmetic, comparison, `&& || !`, the ternary and a closed table of functions. No attributes, loops,
macros or regular expressions; length, depth and number of nodes are capped, so that an expression's work is bounded by its
text. Logic is three-valued (Kleene): a value that is missing is unknown (None), and what depends on it is unknown too.
"""

from rules.language.expression import Expression, compile_expression
from rules.language.mistake import ExpressionError, Mistake
from rules.language.types import BOOL, NUMBER, TEXT, Kind, Name, Value

__all__ = [
    "BOOL",
    "NUMBER",
    "TEXT",
    "Expression",
    "ExpressionError",
    "Kind",
    "Mistake",
    "Name",
    "Value",
    "compile_expression",
]
