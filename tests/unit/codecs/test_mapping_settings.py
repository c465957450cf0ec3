"""Every mistake of a mapping is told at its line, in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import load_settings
from bridge.errors import ConfigError

HEAD = """\
[plant]
name = "A plant"
[database]
dsn = "postgresql://127.0.0.1/amor"
[[source]]
name = "line1"
type = "mqtt"
lane = 1
url = "mqtt://127.0.0.1"
[[source.subscribe]]
"""
TOPIC = 'topic = "acme/{machine}/{tag}"\nequipment = "acme/{machine}"\n'
HERE = len(HEAD.splitlines())


def mistakes(tmp_path: Path, text: str) -> list[tuple[int, str]]:
    file = tmp_path / "amor.toml"
    file.write_text(HEAD + text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    return [(problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (TOPIC + 'format = "xml"\n', 3, "'xml' is none of its words; there are cbor, csv, json, msgpack, raw"),
        (TOPIC + 'preset = "sonoff"\n', 3, "there is no preset 'sonoff'; there are esphome, shelly"),
        (TOPIC + 'fields = { value = "a..b" }\n', 3, "'a..b' is no path"),
        (TOPIC + 'records = "a[x]"\n', 3, "'a[x]' is no path"),
        (TOPIC + 'values = { temp = "" }\n', 3, "a path is empty"),
        (TOPIC + 'columns = ["a", "a"]\n', 3, "column a is given twice"),
        (TOPIC + 'time_zone = "Mars/Base"\n', 3, "unknown time zone 'Mars/Base'"),
        (TOPIC + 'clock = { policy = "clamp" }\n', 3, "clamp needs a bound"),
        (TOPIC + 'format = "csv"\n', 0, "csv needs the names of its columns"),
        (TOPIC + 'columns = ["a"]\nvalues = { t = "a" }\n', 0, "take one away"),
        ('topic = "acme/x"\nequipment = "acme"\nformat = "raw"\n', 0, "the topic must have a {tag}"),
        ('topic = "acme/#/x"\nequipment = "acme"\n', 1, "so they come last"),
        ('topic = "acme/a+"\nequipment = "acme"\n', 1, "stand alone in their level"),
        ('equipment = "acme"\n', 0, "topic is missing"),
        ('preset = "tasmota"\n', 0, "equipment is missing"),
        ('preset = "tasmota"\nequipment = "acme/{machine}"\n', 0, "equipment uses {machine}"),
        ('preset = "tasmota"\nequipment = "acme/{device}"\nformat = "raw"\n', 0, "take format away"),
        (TOPIC + '[[source.subscribe.adjust]]\nmatch = "a"\nto_unit = "furlong"\n', 5, "'furlong' is no UCUM code"),
        (TOPIC + '[[source.subscribe.adjust]]\nmatch = "a"\nunit = "m"\nto_unit = "s"\n', 3, "cannot be converted"),
        (TOPIC + '[[source.subscribe.adjust]]\nmatch = "a"\nscale = 0\n', 3, "write it under ignore"),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path, text, line, words):
    [(found, message)] = mistakes(tmp_path, text)
    assert words in message
    assert found == HERE + line


def test_mistakes_of_several_subscriptions_are_told_together(tmp_path):
    text = TOPIC + 'format = "xml"\n[[source.subscribe]]\n' + TOPIC + 'records = "["\n'
    assert [line for line, _ in mistakes(tmp_path, text)] == [HERE + 3, HERE + 7]


def test_a_subscription_has_the_clock_of_its_source_or_its_own(tmp_path):
    file = tmp_path / "amor.toml"
    text = HEAD.replace("lane = 1", 'lane = 1\nclock = { policy = "clamp", past = "1 h" }') + TOPIC
    file.write_text(text + "[[source.subscribe]]\n" + TOPIC + 'clock = { policy = "trust" }\n')
    [source] = load_settings(file, {}).source
    assert [subscription.clock.policy for subscription in source.subscribe] == ["clamp", "trust"]
    assert [subscription.is_plain for subscription in source.subscribe] == [False, True]


def test_settings_written_out_in_full_mean_the_same(tmp_path):
    file = tmp_path / "amor.toml"
    bounds = 'lane = 1\nclock = { policy = "trust" }'
    file.write_text(
        HEAD.replace("lane = 1", bounds)
        + TOPIC
        + '[[source.subscribe]]\npreset = "tasmota"\nequipment = "acme/{device}"\nclock = { policy = "clamp", past = "1.5 h" }\n'
    )
    settings = load_settings(file, {})
    again = type(settings).model_validate(settings.model_dump(mode="json"))
    assert [s.is_plain for s in again.source[0].subscribe] == [True, False]
    assert again.source == settings.source
