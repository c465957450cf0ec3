"""The tests of a rule file: what is fed to a rule, what it must tell, what it told.

Time of a test begins at 2026-01-01T00:00:00Z, a day's beginning like any other. Instants agree when they are the same to the
millisecond: a reading leaves a window a microsecond after its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.model.alarm import Severity
from rules.conditions.threshold import Threshold
from rules.instance import Instance, Situation, Told
from rules.language.quality import BAD, UNCERTAIN
from rules.rulebook.model import Case, Fed, Rule
from rules.sample import Sample

BEGIN_US: Final = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
_MILLISECOND: Final = 1_000
_STATUS: Final = {BAD: 0x8000_0000, UNCERTAIN: 0x4000_0000}
_UNTOLD: Final = frozenset({"QUALITY"})


@dataclass(frozen=True, slots=True)
class Line:
    """Something told, at a time from the test's beginning."""

    at_us: int
    kind: str
    severity: Severity

    def agrees(self, other: Line) -> bool:
        """Whether both are the same to the millisecond."""
        near = abs(self.at_us - other.at_us) < _MILLISECOND
        return near and (self.kind, self.severity) == (other.kind, other.severity)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A test that was run. `trouble`: the rule threw."""

    rule: Rule
    case: Case
    expected: tuple[Line, ...]
    got: tuple[Line, ...]
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """Whether what was told is what was expected, in its order."""
        same = len(self.expected) == len(self.got)
        return not self.trouble and same and all(e.agrees(g) for e, g in zip(self.expected, self.got, strict=True))

    def beside(self) -> list[tuple[Line | None, Line | None]]:
        """Expected beside got, in the order of time; None where the other has no such line."""
        found: list[tuple[Line | None, Line | None]] = []
        expected, got = list(self.expected), list(self.got)
        while expected or got:
            if expected and got and expected[0].agrees(got[0]):
                found.append((expected.pop(0), got.pop(0)))
            elif expected and (not got or expected[0].at_us <= got[0].at_us):
                found.append((expected.pop(0), None))
            else:
                found.append((None, got.pop(0)))
        return found


def run_cases(rules: Iterable[Rule]) -> list[Outcome]:
    """Run every test of these rules."""
    return [run_case(rule, case) for rule in rules for case in rule.tests]


def run_case(rule: Rule, case: Case) -> Outcome:
    """Feed a rule what its test says. Between the readings of a test time runs on."""
    expected = tuple(Line(each.at_us, each.kind, each.severity) for each in case.expect)
    try:
        told = _told(rule, case)
    except Exception as error:  # noqa: BLE001  # whatever a rule throws is this test's outcome; the others go on
        return Outcome(rule, case, expected, (), f"{type(error).__name__}: {error}")
    got = tuple(
        Line(each.transition.at_us - BEGIN_US, each.transition.kind, each.transition.severity)
        for each in told
        if each.transition.kind not in _UNTOLD
    )
    return Outcome(rule, case, expected, got)


def _told(rule: Rule, case: Case) -> list[Told]:
    assert isinstance(rule.condition, Threshold), "only rules with levels have tests"
    # A tag of the siblings is another one than the asset's own; one sibling stands for all, whatever the statistic.
    numbers = {key: number for number, key in enumerate(sorted({(e.tag, e.of or "") for e in rule.inputs}), 1)}
    tags = {tag: number for (tag, of), number in numbers.items() if not of}
    siblings = {tag: [number] for (tag, of), number in numbers.items() if of}
    instance = Instance.create(rule, 1, "test", is_final=False, tags=tags, siblings=siblings)
    tag_of = {entry.name: numbers[entry.tag, entry.of or ""] for entry in rule.inputs}
    instants: dict[int, list[Sample]] = {}
    for fed in case.feed:
        for at_us, sample in _samples(fed, tag_of[fed.input]):
            instants.setdefault(at_us, []).append(sample)
    situations = _situations(rule, case)
    for at_us in situations:
        instants.setdefault(at_us, [])
    told: list[Told] = []
    now = Situation(order=case.order)
    for at_us in sorted(instants):
        now = situations.get(at_us, now)
        told += instance.observe(at_us, _numbered(instants[at_us]), now)
    return told + instance.advance(BEGIN_US + _until_us(case))


def _samples(fed: Fed, tag_id: int) -> Iterable[tuple[int, Sample]]:
    for at_us, value in fed.samples():
        text = value if isinstance(value, str) else None
        number = None if text is not None else float(value)
        yield BEGIN_US + at_us, Sample(tag_id, BEGIN_US + at_us, 0, number, text, _STATUS.get(fed.quality, 0))


def _numbered(samples: Sequence[Sample]) -> list[Sample]:
    """Several samples of a tag at one instant get rising ordinals, as in one message."""
    seen: dict[int, int] = {}
    found = []
    for sample in samples:
        ordinal = seen.get(sample.tag_id, -1) + 1
        seen[sample.tag_id] = ordinal
        found.append(sample._replace(ordinal=ordinal))
    return found


def _situations(rule: Rule, case: Case) -> dict[int, Situation]:
    """What the machine is doing; without `states` it is as the rule wants it, since ever."""
    if case.states:
        return {
            BEGIN_US + at_us: Situation(state, BEGIN_US + at_us, case.order) for at_us, state in sorted(case.states)
        }
    condition = rule.condition
    assert isinstance(condition, Threshold), "only rules with levels have tests"
    wanted = rule.when_state or frozenset(state for spec in condition.histories for state in spec.where)
    return {BEGIN_US: Situation(min(wanted, key=str) if wanted else None, None, case.order)}


def _until_us(case: Case) -> int:
    if case.until_us is not None:
        return case.until_us
    fed = max((each.at_us + each.every_us * (each.count - 1) for each in case.feed), default=0)
    return max(fed, max((each.at_us for each in case.expect), default=0)) + _MILLISECOND - 1
