"""A backtest of stored history tells what the engine told of the same readings when they came; the commands print it."""

from __future__ import annotations

import asyncio
import json
import math
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.rules import rules as command
from bridge.errors import AmorError
from rules.backtest.stored import Span, run_stored
from rules.rulebook import load_rules
from tests.integration.rules.rules_stage import BAD_STATUS, CNC, FINAL, Row, at, open_stage, settings_for, vibration

RULES = """
apiVersion: rules/v1
rules:
- id: vibration
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms, unit: mm/s, max_age: 30s}}
  levels:
    - {severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 3s, off_delay: 10s}
    - {severity: high,   if: "v > 4.5", clear: "v < 4.1", on_delay: 2s, off_delay: 10s}
  response: look
  actions: [{ticket: {failure_mode: VIB}}]
- id: drifts
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms}}
  levels: [{severity: low, if: "mean(v, 20s) > 2.9", clear: "mean(v, 20s) < 2.7"}]
  response: look
- id: while-running
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms}, n: {tag: spindle.rpm}}
  when_state: [RUNNING]
  settle: 5s
  levels: [{severity: low, if: "v > 2.5 && n > 3000", on_delay: 1s}]
  response: look
- id: silent
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms}}
  levels: [{severity: low, if: "stale(v, 25s)"}]
  response: look
"""


def story(seed: int) -> list[list[Row]]:
    """Ten minutes of a machine as messages: vibration that wanders, speed, states, bad readings, and silence now and then."""
    chance, second, level, messages = random.Random(seed), 0.0, 2.4, []
    while second < 600:
        second = round(second + chance.choice((0.5, 1.0, 1.0, 2.0, 9.0 if chance.random() < 0.7 else 40.0)), 3)
        level = min(6.0, max(1.0, level + chance.gauss(0, 0.5)))
        status = BAD_STATUS if chance.random() < 0.04 else 0
        rows = [Row(CNC, "spindle.vib_rms", second, level, status)]
        if chance.random() < 0.5:
            rows.append(
                Row(CNC, "spindle.rpm", round(second - chance.choice((0.0, 0.25)), 3), chance.choice((2000.0, 8000.0)))
            )
        if chance.random() < 0.1:
            rows.append(Row(CNC, "state", second, chance.choice(("EXECUTE", "EXECUTE", "IDLE", "what"))))
        messages.append(rows)
    messages.append([Row(CNC, "spindle.vib_rms", 600.5, 1.0), Row(FINAL, "motor.temp", 640.0, 40.0)])
    return messages


async def engine_journal(bench, until):
    rows = await bench.rows(
        "select a.rule_id, e.kind, e.severity, e.at from alarm_event e join alarm a on a.id = e.alarm_id"
        " where a.retracted_at is null and e.superseded_at is null and e.kind in ('RAISE', 'ESCALATE', 'DEESCALATE', 'REALARM', 'RETURN', 'LATCH', 'CLEAR') order by e.at, a.rule_id, e.id"
    )
    return [(row["rule_id"], row["kind"], row["severity"], row["at"]) for row in rows if row["at"] <= until]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_backtest_of_stored_history_tells_what_the_engine_told(database_dsn: str, tmp_path: Path, seed: int):
    async with open_stage(database_dsn, tmp_path, rules=RULES) as bench:
        for message in story(seed):
            await bench.feed.send(message)
            await bench.step(max(row.seconds for row in message))
        await bench.step(645)
        told = await engine_journal(bench, at(600.5))
        report = await run_stored(
            bench.connection, bench.settings, load_rules(bench.settings.rules.files).rules, Span()
        )
    found = [(e.rule, e.kind, e.severity, at((e.at_us - report_begin()) / 1e6)) for e in report.events]
    found = sorted((event for event in found if event[3] <= at(600.5)), key=lambda event: (event[3], event[0]))
    assert found == told
    assert {rule for rule, *_ in told} == {"vibration", "drifts", "while-running", "silent"}
    assert report.ticket_count == 1


async def test_backtest_tells_what_the_corrected_journal_tells_after_disorder_and_restarts(
    database_dsn: str, tmp_path: Path
):
    """Messages come late by up to a minute, twice, and the engine is restarted: what stands in the end is what the backtest says."""
    chance = random.Random(11)
    late = [
        (max(row.seconds for row in message) + chance.choice((0, 0, 0, 0.5, 5, 60)), message)
        for message in story(4)[:-1]
    ]
    twice = late + [(arrival + 3, message) for arrival, message in late if chance.random() < 0.1]
    async with open_stage(database_dsn, tmp_path, rules=RULES) as bench:
        for arrival, message in sorted(twice, key=lambda each: each[0]):
            await bench.feed.send(message, received=arrival)
            await bench.step(arrival)
            if chance.random() < 0.02:
                await bench.restart()
        await bench.feed.send(story(4)[-1], received=700)
        await bench.step(705)
        told = await engine_journal(bench, at(600.5))
        corrected = await bench.one("select count(*) from alarm_event where superseded_at is not null")
        report = await run_stored(
            bench.connection, bench.settings, load_rules(bench.settings.rules.files).rules, Span()
        )
    found = [(e.rule, e.kind, e.severity, at((e.at_us - report_begin()) / 1e6)) for e in report.events]
    assert sorted(event for event in found if event[3] <= at(600.5)) == sorted(told)
    assert corrected > 0


def report_begin() -> int:
    return round(at(0).timestamp() * 1e6)


SIBLINGS = """
apiVersion: rules/v1
rules:
- id: hotter-than-the-others
  inputs: {t: {tag: motor.temp}, others: {tag: motor.temp, of: siblings, stat: median}}
  levels: [{severity: low, if: "t > others + 5", on_delay: 2s, off_delay: 3s}]
  response: look
"""


async def test_assets_are_compared_with_their_siblings_as_the_engine_does(database_dsn: str, tmp_path: Path):
    line, chance = CNC.rpartition("/")[0], random.Random(5)
    async with open_stage(database_dsn, tmp_path, rules=SIBLINGS) as bench:
        for second in range(120):
            hot = 10.0 if 40 <= second < 80 else 0.0
            machines = [(f"{line}/m{n}", 40 + chance.gauss(0, 1) + (hot if n == 2 else 0)) for n in range(4)]
            await bench.feed.send([Row(path, "motor.temp", second, value) for path, value in machines])
            await bench.step(second)
        await bench.step(130)
        told = await engine_journal(bench, at(118))
        report = await run_stored(
            bench.connection, bench.settings, load_rules(bench.settings.rules.files).rules, Span()
        )
    found = sorted((e.rule, e.kind, e.severity, at((e.at_us - report_begin()) / 1e6)) for e in report.events)
    assert [event for event in found if event[3] <= at(118)] == sorted(told)
    assert {alarm.asset for alarm in report.alarms} == {f"{line}/m2"}


async def test_part_of_the_history_is_read_with_what_the_machine_was_doing_before(database_dsn: str, tmp_path: Path):
    rules = RULES.replace("settle: 5s", "settle: 0s")
    async with open_stage(database_dsn, tmp_path, rules=rules) as bench:
        await bench.feed.send([Row(CNC, "state", 0, "EXECUTE"), Row(CNC, "spindle.rpm", 0, 1.0)])
        await bench.feed.send(
            [Row(CNC, "spindle.rpm", 100, 8000.0), *[Row(CNC, "spindle.vib_rms", 100 + n, 5.0) for n in range(20)]]
        )
        await bench.feed.send([Row(CNC, "spindle.vib_rms", 1e6, 5.0)])
        book = load_rules(bench.settings.rules.files).rules
        report = await run_stored(bench.connection, bench.settings, book, Span(at(50), at(110)))
        assert [(e.kind, e.at_us) for e in report.events if e.rule == "while-running"] == [
            ("RAISE", report_begin() + 101_000_000)
        ]
        assert report.readings == 12
        assert report.rules["silent"].alarms == 0
        everything = await run_stored(bench.connection, bench.settings, book, Span())
        assert everything.rules["silent"].alarms == 1
        assert (everything.last_us - everything.first_us) == 10**12


async def test_readings_of_the_far_future_are_left_out_as_the_engine_does(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=RULES) as bench:
        await bench.feed.send(vibration((0, 1.0), (1000, 9.0)), received=1.0)
        book = load_rules(bench.settings.rules.files).rules
        report = await run_stored(bench.connection, bench.settings, book, Span(None, at(2000)))
        assert report.alarm_count == 0


async def test_machine_that_fell_silent_is_silent_until_the_plants_newest_reading(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=RULES) as bench:
        await bench.feed.send(vibration((0, 1.0), (10, 1.0)))
        await bench.feed.send([Row(FINAL, "motor.temp", 34.9, 40.0)])
        book = load_rules(bench.settings.rules.files).rules
        assert (await run_stored(bench.connection, bench.settings, book, Span())).rules["silent"].alarms == 0
        await bench.feed.send([Row(FINAL, "motor.temp", 35.1, 40.0)])
        assert (await run_stored(bench.connection, bench.settings, book, Span())).rules["silent"].alarms == 1
        assert (await run_stored(bench.connection, bench.settings, book, Span(None, at(34)))).rules[
            "silent"
        ].alarms == 0


async def test_counters_and_many_tags_come_whole_from_the_database(database_dsn: str, tmp_path: Path):
    """What is read in bulk is what is stored: values, bad qualities, ordinals, no numbers, across days."""
    from bridge.store import backtest as store

    chance = random.Random(4)
    rows = [
        Row(CNC, "spindle.vib_rms", second, value, quality, ordinal)
        for second in range(0, 400_000, 5_000)
        for value, quality, ordinal in ((chance.random(), 0, 0), (chance.choice((None, 1.0)), BAD_STATUS, 1))
    ]
    async with open_stage(database_dsn, tmp_path) as bench:
        await bench.feed.send(rows)
        tag = await bench.one("select id from tag where name = 'spindle.vib_rms'")
        without = await store.ahead(bench.connection, at(1) - at(0))
        (column,) = await store.columns(bench.connection, [tag], at(0), at(500_000), without)
    assert column.times_us.tolist() == [report_begin() + round(row.seconds * 1e6) for row in rows]
    assert [None if math.isnan(v) else v for v in column.values.tolist()] == [row.value for row in rows]
    assert column.qualities.tolist() == [row.quality for row in rows]
    assert column.ordinals.tolist() == [row.ordinal for row in rows]


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    file = tmp_path / "v.yaml"
    file.write_text("""
apiVersion: rules/v1
rules:
- id: high
  inputs: {v: {tag: spindle.vib_rms}}
  levels: [{severity: high, if: "v > 4"}]
  response: look
  actions: [{ticket: {failure_mode: VIB}}]
  tests: [{feed: {v: [[0s, 5]]}, expect: [[0s, RAISE, high]]}]
""")
    return file


def amor(*arguments: object):
    return CliRunner().invoke(command, [str(each) for each in arguments], catch_exceptions=True)


def test_backtest_command_prints_and_writes_what_would_have_been(tmp_path: Path, rule_file: Path):
    data, report, picture = tmp_path / "d.csv", tmp_path / "r.json", tmp_path / "p.png"
    data.write_text(
        "time,vib\n"
        + "".join(f"2026-03-01T06:00:{n:02}Z,{5 if 20 <= n < 30 else 'x' if n == 40 else 1}\n" for n in range(60))
    )
    ran = amor(
        "backtest",
        "--rules",
        rule_file,
        "--csv",
        data,
        "--time",
        "time",
        "--tag",
        "v=vib",
        "--json",
        report,
        "--picture",
        picture,
    )
    assert ran.exit_code == 0, ran.output
    assert "would have raised 1 alarm and 1 ticket" in ran.output
    assert ":42:2: 'x' is no number" in ran.output.replace("\n", "")
    written = json.loads(report.read_text())
    assert [(a["rule"], a["raised"], a["returned"]) for a in written["alarms"]] == [
        ("high", "2026-03-01T06:00:20Z", "2026-03-01T06:00:30Z")
    ]
    assert (written["rules"][0]["in_alarm_s"], written["tickets"][0]["failure_mode"]) == (10.0, "VIB")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_diff_command_tells_which_alarms_vanish(tmp_path: Path, rule_file: Path):
    data, other = tmp_path / "d.csv", tmp_path / "w.yaml"
    data.write_text("spindle.vib_rms\n1\n5\n1\n7\n1\n")
    other.write_text(rule_file.read_text().replace("v > 4", "v > 6"))
    ran = amor("diff", rule_file, other, "--csv", data)
    assert ran.exit_code == 0, ran.output
    assert "changed  high: levels" in ran.output
    assert "0 alarms appear, 1 vanish, 1 are the same" in ran.output


def test_test_command_ends_with_1_where_a_test_fails(tmp_path: Path, rule_file: Path):
    assert amor("test", rule_file).exit_code == 0
    failing = tmp_path / "f.yaml"
    failing.write_text(rule_file.read_text().replace("[[0s, RAISE, high]]", "[]"))
    ran = amor("test", failing)
    assert ran.exit_code == 1
    assert "0s RAISE high" in ran.output


@pytest.mark.parametrize("arguments", [("--tag", "v"), ("--from", "yesterday"), ("--time", "t")])
def test_wrong_options_are_told(rule_file: Path, arguments: tuple[str, ...]):
    ran = amor("backtest", "--rules", rule_file, *arguments)
    assert ran.exit_code == 2


def test_what_cannot_be_read_or_written_is_told_in_a_sentence(tmp_path: Path, rule_file: Path):
    data = tmp_path / "d.csv"
    data.write_text("a,b\n1,2\n")
    ran = amor("backtest", "--rules", rule_file, "--csv", data)
    assert "has no column of a tag that is asked for (spindle.vib_rms); there is a, b" in str(ran.exception)
    ran = amor("backtest", "--rules", rule_file, "--csv", data, "--tag", "v=a", "--json", tmp_path / "none" / "r.json")
    assert "r.json cannot be written: No such file or directory" in str(ran.exception)
    config = tmp_path / "amor.toml"
    config.write_text('[plant]\nname = "test"\n[database]\ndsn = "host=127.0.0.1 port=1 dbname=x"\n')
    ran = amor("backtest", "--rules", rule_file, "--config", config)
    assert isinstance(ran.exception, AmorError)
    assert "the database does not answer" in str(ran.exception)


async def test_backtest_command_reads_the_database_of_the_configuration(
    database_dsn: str, tmp_path: Path, rule_file: Path
):
    async with open_stage(database_dsn, tmp_path) as bench:
        await bench.feed.send(vibration((0, 1.0), (10, 5.0), (20, 1.0)))
    settings = settings_for(database_dsn, tmp_path)
    config = tmp_path / "amor.toml"
    config.write_text(f"""
[plant]
name = "test"
[database]
dsn = "{settings.database.dsn.get_secret_value()}"
[[equipment]]
path = "{CNC}"
class = "cnc_spindle"
""")
    ran = await asyncio.to_thread(amor, "backtest", "--rules", rule_file, "--config", config)
    assert ran.exit_code == 0, ran.output
    assert "would have raised 1 alarm and 1 ticket" in ran.output
