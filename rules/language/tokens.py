"""Text -> tokens. A dotted name such as `order.active` is one name: there is no attribute access."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from rules.durations import PATTERN
from rules.language.mistake import ExpressionError, Mistake

MAX_LENGTH: Final = 1000

TokenKind = Literal["number", "duration", "text", "name", "operator", "end"]

_TOKEN: Final = re.compile(
    rf"""(?P<blank>\s+)
      | (?P<duration>{PATTERN})(?![A-Za-z0-9_.])
      | (?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      | (?P<text>'(?:[^'\\\n]|\\['\\])*'|"(?:[^"\\\n]|\\["\\])*")
      | (?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:(),])""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(.)")
_NEAR: Final = {"=": "==", "&": "&&", "|": "||", "and": "&&", "or": "||", "not": "!"}


class Token(NamedTuple):
    """A word of an expression; `offset` counts characters from 0."""

    kind: TokenKind
    text: str
    offset: int


def tokenize(text: str) -> list[Token]:
    """The tokens of an expression, the last of kind `end`. Raises ExpressionError at what is no token."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError([Mistake(MAX_LENGTH, f"longer than {MAX_LENGTH} characters: split the rule")])
    tokens: list[Token] = []
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise ExpressionError([_unreadable(text, offset)])
        if match.lastgroup != "blank":
            tokens.append(_token(match, offset))
        offset = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _token(match: re.Match[str], offset: int) -> Token:
    word = match[0]
    match match.lastgroup:
        case "number" | "duration" as kind:
            return Token(kind, word, offset)
        case "text":
            return Token("text", _ESCAPE.sub(r"\1", word[1:-1]), offset)
        case "name":
            if word in ("and", "or", "not"):
                raise ExpressionError([Mistake(offset, f"`{word}` is written `{_NEAR[word]}`")])
            return Token("name", word, offset)
        case _:
            return Token("operator", word, offset)


def _unreadable(text: str, offset: int) -> Mistake:
    char = text[offset]
    if char in _NEAR:
        return Mistake(offset, f"`{char}` is no operator; write `{_NEAR[char]}`")
    if char in "'\"":
        return Mistake(offset, "this text does not end; close it with the same quote")
    if char.isdigit() or char == ".":
        return Mistake(offset, "not a number; write 4.5, 1e-3 or a duration such as 5m; units go to the input")
    return Mistake(offset, f"unexpected {char!r}")
