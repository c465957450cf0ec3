"""Tokens -> tree, by recursive descent. Precedence as in CEL: `?:`, `||`, `&&`, comparison, `+ -`, `* / %`, `- !`, call.

A comparison does not chain: `1 < x < 5` is a mistake, not a comparison of a truth value.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NoReturn

from rules.durations import duration_us
from rules.language.mistake import ExpressionError, Mistake
from rules.language.tokens import Token, tokenize
from rules.language.tree import Binary, Call, Duration, Literal, Named, Node, Ternary, Unary

MAX_DEPTH: Final = 32
MAX_NODES: Final = 200

_COMPARISON: Final = 2
_RANKS: Final = {
    "||": 0, "&&": 1, **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), _COMPARISON), "+": 3, "-": 3, "*": 4, "/": 4, "%": 4
}  # fmt: skip
_WORDS: Final = {"true": True, "false": False}


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """The tree of an expression, the same for the same text. Raises ExpressionError at the first thing that does not fit."""
    return _Parser(tokenize(text)).whole()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._nodes = 0

    def whole(self) -> Node:
        node = self._ternary()
        if self._next.kind != "end":
            self._fail(f"unexpected `{self._next.text}` after a whole expression")
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _accept(self, *operators: str) -> Token | None:
        token = self._next
        return self._take() if token.kind == "operator" and token.text in operators else None

    def _expect(self, operator: str, why: str) -> None:
        if self._accept(operator) is None:
            self._fail(f"`{operator}` is missing {why}")

    def _fail(self, message: str, offset: int | None = None) -> NoReturn:
        raise ExpressionError([Mistake(self._next.offset if offset is None else offset, message)])

    def _count(self, offset: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._fail(f"more than {MAX_NODES} parts: split the rule", offset)

    def _ternary(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"nested deeper than {MAX_DEPTH}: split the rule")
        node = self._binary(0)
        if question := self._accept("?"):
            then = self._ternary()
            self._expect(":", "after `?`")
            node = Ternary(node, then, self._ternary(), question.offset)
            self._count(question.offset)
        self._depth -= 1
        return node

    def _binary(self, least: int) -> Node:
        """Operators that bind as tightly as `least` or tighter, by climbing (each operand is visited once)."""
        node = self._unary()
        chain = 0
        while (rank := _RANKS.get(self._next.text, -1)) >= least and self._next.kind == "operator":
            token = self._take()
            node = Binary(token.text, node, self._binary(rank + 1), token.offset)
            self._count(token.offset)
            chain += 1
            if chain > MAX_DEPTH:  # the tree leans as deep as what the compiler recurses
                self._fail(f"a chain of more than {MAX_DEPTH} operators: split the rule", token.offset)
            if rank == _COMPARISON and _RANKS.get(self._next.text) == rank and self._next.kind == "operator":
                self._fail("comparisons do not chain; join two with `&&`", self._next.offset)
        return node

    def _unary(self) -> Node:
        operators = []
        while token := self._accept("-", "!"):
            operators.append(token)
            if len(operators) > 2:
                self._fail(f"more than two `{token.text}` in a row", token.offset)
        node = self._primary()
        for token in reversed(operators):
            node = Unary(token.text, node, token.offset)
            self._count(token.offset)
        return node

    def _primary(self) -> Node:
        token = self._take()
        self._count(token.offset)
        if token.kind == "number":
            return self._number(token)
        if token.kind == "duration":
            return self._duration(token)
        if token.kind == "text":
            return Literal(token.text, token.offset)
        if token.kind == "name":
            return self._name(token)
        if token.text == "(" and token.kind == "operator":
            node = self._ternary()
            self._expect(")", "to close the bracket")
            return node
        found = f"found `{token.text}`" if token.text else "the expression ends"
        raise ExpressionError([Mistake(token.offset, f"a value is missing here: {found}")])

    def _number(self, token: Token) -> Literal:
        value = float(token.text)
        if value == float("inf"):
            self._fail("this number is too large", token.offset)
        return Literal(value, token.offset)

    def _duration(self, token: Token) -> Duration:
        try:
            return Duration(duration_us(token.text), token.offset)
        except ValueError as error:
            raise ExpressionError([Mistake(token.offset, str(error))]) from error

    def _name(self, token: Token) -> Node:
        if token.text in _WORDS:
            return Literal(_WORDS[token.text], token.offset)
        if self._accept("("):
            return Call(token.text, self._arguments(), token.offset)
        return Named(token.text, token.offset)

    def _arguments(self) -> tuple[Node, ...]:
        if self._accept(")"):
            return ()
        arguments = [self._ternary()]
        while self._accept(","):
            arguments.append(self._ternary())
        self._expect(")", "after the arguments")
        return tuple(arguments)
