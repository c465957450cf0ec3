"""Rule files -> rulebook."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bridge.errors import ConfigError, Problem
from rules.conditions.threshold import Threshold
from rules.rulebook.model import Rule, Rulebook
from rules.rulebook.rule import WATCHING, read_rule
from rules.section import Item, Reader, TooManyProblems, one_of

API_VERSION: Final = "rules/v1"
MAX_BYTES: Final = 16_000_000  # of a file
MAX_RULES: Final = 50_000  # of all files


def load_rules(files: Sequence[str], known: Rulebook | None = None) -> Rulebook:
    """Read all rule files; rules whose text is that of a rule in `known` are taken from there, as they are.

    Raises ConfigError with every mistake of every file, in the order of the files.
    """
    loading = _load(files, known.sources if known else {})
    if loading.problems:
        raise ConfigError(loading.problems)
    return Rulebook(tuple(loading.rules), loading.sources)


def read_rules(files: Sequence[str]) -> tuple[list[Rule], list[Problem]]:
    """The rules that can be used, and every mistake."""
    loading = _load(files, {})
    return loading.rules, loading.problems


@dataclass(slots=True)
class _Loading:
    known: Mapping[str, tuple[Rule, ...]]
    rules: list[Rule] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)  # of each rule's id


def _load(files: Sequence[str], known: Mapping[str, tuple[Rule, ...]]) -> _Loading:
    loading = _Loading(known)
    with _without_collection():
        for file in files:
            reader = Reader(file)
            try:
                content = _content(file)
            except ValueError as error:
                loading.problems.append(Problem(file, 0, 0, "", f"cannot be read: {error}"))
                continue
            try:
                _file(reader, content, loading)
            except TooManyProblems:
                reader.problems.append(Problem(file, 2**31, 0, "", "there are more mistakes than are told at once"))
            found = sorted(reader.problems, key=lambda problem: (problem.line, problem.column))
            loading.problems += [replace(each, line=0) if each.line == 2**31 else each for each in found]
    _parents(loading)
    _twins(loading)
    return loading


def _content(file: str) -> str:
    """The text of a file. Raises ValueError with the reason why there is none."""
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes: split it")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 text; save the file as UTF-8") from error


def _file(reader: Reader, content: str, loading: _Loading) -> None:
    root = reader.root(content)
    if root is None:
        return
    section = reader.section(root)
    section.need("apiVersion", one_of(str, [API_VERSION]), f"; write apiVersion: {API_VERSION}")
    items = section.item_of("rules")
    section.close()
    if items is None:
        reader.tell(root, "rules is missing")
        return
    for item in reader.sequence(items):
        if len(loading.places) >= MAX_RULES:
            reader.tell(item, f"more than {MAX_RULES} rules")
            return
        _take(reader, item, content, loading)


def _take(reader: Reader, item: Item, content: str, loading: _Loading) -> None:
    source = _source(item, content)
    if made := loading.known.get(source):
        made = tuple(_moved(rule, reader.file, item.node.line) for rule in made)
    else:
        made = read_rule(reader, item)
    if not made:
        return
    rule_id = made[0].id
    if place := loading.places.get(rule_id):
        reader.tell(item, f"the rule {rule_id} is there already, in {place}")
        return
    loading.places[rule_id] = f"{reader.file}:{item.node.line}"
    loading.sources[source] = made
    loading.rules += made


def _source(item: Item, content: str) -> str:
    """A key for the text of a rule: the same text means the same rule."""
    begin, end = getattr(item.node, "start", 0), getattr(item.node, "end", 0)
    return hashlib.blake2b(content[begin:end].encode(), digest_size=16).hexdigest()


def _moved(rule: Rule, file: str, line: int) -> Rule:
    if (rule.file, rule.line) == (file, line):
        return rule
    tests = tuple(replace(case, line=case.line + line - rule.line) for case in rule.tests)
    return replace(rule, file=file, line=line, tests=tests)


def _parents(loading: _Loading) -> None:
    """A parent must be a rule of these files, and no rule its own ancestor."""
    by_id = {rule.id: rule for rule in loading.rules}
    for rule in loading.rules:
        if rule.parent is None or rule.id not in loading.places:
            continue
        seen, above = {rule.id}, rule.parent
        while above in by_id and above not in seen:
            seen.add(above)
            above = by_id[above].parent or ""
        message = (
            "" if above == "" else f"unknown rule {above}" if above not in seen else "is its own parent in the end"
        )
        if message and not (above not in seen and loading.problems):  # the parent may be one that could not be read
            loading.problems.append(Problem(rule.file, rule.line, 0, f"{rule.id}.parent", message))


def _twins(loading: _Loading) -> None:
    """Two alarms for one thing are one too many (ISA-18.2, alarm rationalization)."""
    seen: dict[object, Rule] = {}
    for rule in loading.rules:
        if rule.id.endswith(WATCHING):
            continue
        key = (rule.for_each, rule.inputs, rule.condition, rule.when_state, rule.shadow)
        first = seen.setdefault(key, rule)
        if first is not rule and isinstance(rule.condition, Threshold):
            message = f"says what the rule {first.id} says in {first.file}:{first.line}: one alarm for one thing"
            loading.problems.append(Problem(rule.file, rule.line, 0, rule.id, message))


@contextmanager
def _without_collection() -> Iterator[None]:
    """Reading makes millions of objects and no garbage in circles: looking for it would take longer than the reading."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
