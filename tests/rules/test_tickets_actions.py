"""Actions in rule files: what is read, and what would reach nobody is said before it is needed."""

from __future__ import annotations

import pytest

from bridge.config.settings import Settings
from bridge.errors import ConfigError
from bridge.model.alarm import Severity
from rules.rulebook import check_rules, load_rules

RULE = """apiVersion: rules/v1
rules:
- id: r
  inputs: {v: {tag: x}}
  levels:
    - {severity: low, if: "v > 2"}
    - {severity: high, if: "v > 4"}
  response: look
  actions:
    - ACTION
"""
CONNECTORS = [
    {"type": "apprise", "name": "chat", "url": "json://127.0.0.1:1", "roles": ["shift_lead"]},
    {
        "type": "tag_write", "name": "plc", "url": "mqtt://127.0.0.1:1",
        "tag": [{"equipment": "*", "tag": "feed.limit", "low": 0, "high": 1, "topic": "w/{tag}"}],
    },
]  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def read(action):
        file = tmp_path / "rules.yaml"
        file.write_text(RULE.replace("ACTION", action))
        return load_rules([str(file)]).rules[0], [str(file)]

    return read


@pytest.fixture
def mistakes(read):
    def mistakes(action):
        _, files = read(action)
        settings = Settings.model_validate(
            {
                "plant": {"name": "x"},
                "database": {"dsn": "x"},
                "tag": [{"match": "x"}],
                "connector": CONNECTORS,
                "rules": {"files": files},
            }
        )
        return [problem.message for problem in check_rules(settings)]

    return mistakes


def test_actions_are_read(read):
    rule, _ = read("notify: {to: [shift_lead, maintenance], from: high, on: [raise, return]}")
    [notify] = rule.notifies
    assert (notify.to, notify.lowest, notify.on) == (("shift_lead", "maintenance"), Severity.HIGH, {"raise", "return"})
    rule, _ = read("webhook: {connector: hook}")
    assert rule.webhooks[0].on == {"raise", "escalate"}
    rule, _ = read("write: {connector: plc, tag: feed.limit, value: 1}")
    assert rule.writes[0].value == 1.0
    rule, _ = read("write: {connector: plc, tag: mode, value: true}")
    assert rule.writes[0].value is True


@pytest.mark.parametrize(
    "action",
    [
        "notify: {from: high}",
        "notify: {to: []}",
        "notify: {to: [a], on: [dance]}",
        "notify: {to: [a], from: critical}",
        "webhook: {}",
        "write: {connector: plc, tag: x}",
        "write: {connector: plc, tag: x, value: [1]}",
        "write: {connector: plc, tag: x, value: 1, typo: 2}",
    ],
)
def test_action_that_says_too_little_or_nonsense_is_told(read, action):
    with pytest.raises(ConfigError):
        read(action)


@pytest.mark.parametrize(
    "action",
    [
        "notify: {to: [shift_lead]}",
        "webhook: {connector: chat}",
        "write: {connector: plc, tag: feed.limit, value: 0.5}",
    ],
)
def test_action_that_reaches_somebody_is_no_mistake(mistakes, action):
    assert mistakes(action) == []


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("notify: {to: [shift_laed]}", "nobody has the role shift_laed; did you mean shift_lead?"),
        ("ticket: {failure_mode: VIB, connector: chat}", "chat is of type apprise: it holds no documents"),
        ("webhook: {connector: plc}", "plc is of type tag_write"),
        ("webhook: {connector: nowhere}", "unknown connector nowhere"),
        ("write: {connector: chat, tag: feed.limit, value: 0.5}", "chat writes to no tags"),
        (
            "write: {connector: plc, tag: feed.limits, value: 0.5}",
            "may not write feed.limits; did you mean feed.limit?",
        ),
        ("write: {connector: plc, tag: feed.limit, value: 2}", "2 is outside of 0 to 1"),
        ("write: {connector: plc, tag: feed.limit, value: fast}", "'fast' is not among the allowed values"),
    ],
)
def test_action_that_would_reach_nobody_is_told_before_it_is_needed(mistakes, action, message):
    [found] = mistakes(action)
    assert message in found
