"""Rules that are exchanged, tried in the shadow, or fail, while readings go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rules.engine import run
from rules.rulebook import load_rules
from tests.integration.rules.rules_stage import (
    CNC,
    FINAL,
    RULES,
    T0,
    Row,
    Stage,
    at,
    open_stage,
    settings_for,
    together,
    vibration,
    wait_for,
)

VIBRATION = RULES[RULES.index("- id: vibration") : RULES.index("- id: finished")]
OTHER = VIBRATION.replace("id: vibration", "id: other").replace("v > 2.8", "v > 2.7")
MEAN = """
- id: mean
  inputs: {v: {tag: spindle.vib_rms}}
  levels: [{severity: low, if: "mean(v, 60s) > 2", on_delay: 10s}]
  response: look
"""


@pytest.fixture
async def bench(database_dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_dsn, tmp_path, rules=RULES + OTHER + MEAN) as opened:
        yield opened


async def load(bench: Stage, folder: Path, text: str, second: float) -> None:
    settings = settings_for(bench.dsn, folder, rules=text)
    await bench.follower.reload(bench.engine_connection, load_rules(settings.rules.files), at(second))


def instances(bench: Stage) -> dict[str, object]:
    assert bench.follower._memory is not None
    return {i.rule.id: i for asset in bench.follower._memory.plant.assets.values() for i in asset.instances}


async def test_reload_leaves_unchanged_rules_alone_and_carries_the_delays_of_changed_ones(bench: Stage, tmp_path: Path):
    await bench.feed.send(vibration((0, 3.0), (1, 3.0)))
    await bench.step(2.5)
    before = instances(bench)
    await load(bench, tmp_path, RULES.replace("v > 4.5", "v > 4.6") + OTHER + MEAN, 2.5)
    after = instances(bench)
    assert after["other"] is before["other"]
    assert after["mean"] is before["mean"]
    assert after["vibration"] is not before["vibration"]
    await bench.feed.send(vibration((5, 3.0)))
    await bench.step(6)
    raised = await bench.rows("select rule_id, rule_version, raised_at from alarm order by rule_id")
    assert raised == [
        {"rule_id": "other", "rule_version": 1, "raised_at": at(3)},
        {"rule_id": "vibration", "rule_version": 2, "raised_at": at(3)},
    ]


async def test_reload_carries_histories_also_through_a_restart_after_it(bench: Stage, tmp_path: Path):
    await bench.feed.send(vibration((0, 4.0), (1, 4.0), (2, 4.0)))
    await bench.step(4)
    await load(bench, tmp_path, RULES + OTHER + MEAN.replace("on_delay: 10s", "on_delay: 12s"), 4)
    await bench.restart(bench.settings)
    await bench.feed.send(vibration((12.5, 1.0), (13, 1.0), (14, 1.0)))
    await bench.step(16)
    because = await bench.one("select because from alarm where rule_id = 'mean'")
    [(slot, value)] = because["histories"].items()
    assert slot.startswith("mean(v")
    assert value > 3
    assert await bench.one("select raised_at from alarm where rule_id = 'mean'") == at(12)


async def test_removed_rule_leaves_no_open_alarm_and_a_new_one_starts_with_the_values_that_are_there(
    bench: Stage, tmp_path: Path
):
    await bench.feed.send(vibration((0, 3.0), (4, 3.0)))
    await bench.step(6)
    await load(bench, tmp_path, RULES.replace("id: vibration", "id: renamed"), 7)
    open_ones = await bench.rows("select rule_id from alarm where closed_at is null")
    assert open_ones == []
    await bench.feed.send(together(CNC, 11, motor__temp=1.0))
    await bench.feed.send(vibration((12, 3.0)))
    await bench.step(13)
    await bench.feed.send(vibration((16, 3.0)))
    await bench.step(17)
    assert await bench.rows("select rule_id, raised_at from alarm where closed_at is null") == [
        {"rule_id": "renamed", "raised_at": at(15)}
    ]


async def test_alarm_explains_itself(bench: Stage):
    await bench.feed.send(vibration((0, 3.0), (4, 3.0)))
    await bench.step(6)
    row = await bench.one("select rule_version, inputs, because from alarm where rule_id = 'vibration'")
    [sha256] = [r.sha256 for r in bench.follower.rulebook.rules if r.id == "vibration"]
    assert row["because"]["sha256"] == sha256
    assert row["because"]["levels"][0] == {"severity": "medium", "if": "v > 2.8", "clear": "v < 2.5", "holds": True}
    assert row["inputs"]["v"] == {
        "tag": "spindle.vib_rms", "value": 3.0, "unit": "mm/s", "quality": "GOOD", "at": at(0).isoformat()
    }  # fmt: skip


async def test_shadow_rule_is_journalled_and_causes_nothing(database_dsn: str, tmp_path: Path):
    shadow = RULES.replace("- id: vibration", "- id: vibration\n  shadow: true")
    async with open_stage(database_dsn, tmp_path, rules=shadow) as bench:
        await bench.feed.send(vibration((0, 5.0), (4, 5.0)))
        await bench.step(6)
        assert await bench.rows("select shadow, severity from alarm") == [{"shadow": True, "severity": "high"}]
        assert await bench.one("select count(*) from alarm_event where kind = 'RAISE'") == 1
        assert await bench.one("select count(*) from ticket") == 0
        assert await bench.one("select count(*) from outbox") == 0


async def test_rule_that_fails_has_an_alarm_of_its_own_and_works_again_after_a_reload(bench: Stage, tmp_path: Path):
    await bench.feed.send(vibration((0, 1.0)))
    await bench.step(1)
    instances(bench)["vibration"].row = None  # type: ignore[attr-defined]  # any expression fails on it
    await bench.feed.send(vibration((2, 3.0), (6, 3.0)))
    await bench.step(8)
    [failed] = await bench.rows(
        "select state, quality, message, response, severity from alarm where kind = 'rule_error'"
    )
    assert (failed["state"], failed["quality"], failed["severity"]) == ("ACTIVE_UNACK", "ERROR", "high")
    assert "TypeError" in failed["message"]
    assert "rules.yaml:" in failed["response"]
    assert await bench.rows("select rule_id from alarm where kind = 'process'") == [{"rule_id": "other"}]
    await load(bench, tmp_path, RULES + OTHER + MEAN, 9)
    assert await bench.one("select state from alarm where kind = 'rule_error'") == "NORMAL"
    await bench.feed.send(vibration((9, 3.0)))
    await bench.step(11)
    rows = await bench.rows("select rule_id, raised_at from alarm where kind = 'process' order by rule_id")
    assert rows == [{"rule_id": "other", "raised_at": at(5)}, {"rule_id": "vibration", "raised_at": at(5)}]


async def test_process_takes_a_changed_file_and_refuses_a_broken_one(bench: Stage, tmp_path: Path):
    """The files are watched; what is wrong in a new one is told with its place, and the old rules go on."""
    file, stop = tmp_path / "rules.yaml", asyncio.Event()
    await bench.engine_connection.close()
    engine = asyncio.create_task(run(bench.settings, stop))
    active = "select version from rule where id = 'vibration' and active"
    await wait_for(bench.dsn, "select count(*)::int from rule_load", expected=2)
    file.write_text((RULES + OTHER).replace("v > 4.5", "v >> 4.5"))
    await wait_for(bench.dsn, "select count(*)::int from rule_load where not accepted", expected=1)
    problems = await bench.one("select problems from rule_load where not accepted")
    assert problems[0]["file"].endswith("rules.yaml")
    assert problems[0]["line"] == 9
    assert await bench.one(active) == 1
    file.write_text((RULES + OTHER).replace("v > 4.5", "v > 4.7"))
    await wait_for(bench.dsn, active, expected=2)
    start = (datetime.now(UTC) - T0).total_seconds()
    await bench.feed.send([Row(CNC, "spindle.vib_rms", start - 8 + n, 3.0) for n in range(9)], received=start)
    await wait_for(
        bench.dsn, "select count(*)::int from alarm where rule_id = 'vibration' and rule_version = 2", expected=1
    )
    stop.set()
    await asyncio.wait_for(engine, 5)


async def test_child_is_suppressed_while_its_parents_alarm_is_active_and_calls_when_that_has_ended(
    database_dsn: str, tmp_path: Path
):
    family = (
        VIBRATION.replace("id: vibration", "id: child\n  parent: coolant").replace("from: high", "from: medium")
        + """
- id: coolant
  inputs: {t: {tag: coolant.temp}}
  levels: [{severity: critical, if: "t > 60"}]
  response: stop
"""
    )
    async with open_stage(database_dsn, tmp_path, rules="apiVersion: rules/v1\nrules:\n" + family) as bench:
        await bench.feed.send(together(CNC, 0, coolant__temp=70.0, spindle__vib_rms=1.0))
        await bench.feed.send(vibration((1, 3.0), (5, 3.0)))
        await bench.step(7)
        row = await bench.one("select state, suppressed_by from alarm where rule_id = 'child'")
        assert row == {"state": "ACTIVE_UNACK", "suppressed_by": "rule:coolant"}
        assert await bench.one("select count(*) from ticket") == 0
        await bench.feed.send(together(CNC, 8, coolant__temp=40.0, spindle__vib_rms=3.0))
        await bench.step(10)
        assert await bench.one("select suppressed_by is null from alarm where rule_id = 'child'")
        kinds = await bench.rows(
            "select v.kind from alarm_event v join alarm a on a.id = alarm_id where a.rule_id = 'child' order by v.id"
        )
        assert [k["kind"] for k in kinds if k["kind"] != "QUALITY"] == ["RAISE", "SUPPRESS", "UNSUPPRESS"]


async def test_asset_is_compared_with_its_siblings_also_after_a_restart(database_dsn: str, tmp_path: Path):
    """The median of the others of its class under the same parent; one of another class does not count."""
    rules = """
apiVersion: rules/v1
rules:
- id: odd-one-out
  for_each: {equipment: "acme/dortmund/machining/line1/m*"}
  inputs: {t: {tag: motor.temp}, others: {tag: motor.temp, of: siblings, stat: median, max_age: 60s}}
  levels: [{severity: low, if: "t > others + 10", on_delay: 2s}]
  response: look
"""
    line = "acme/dortmund/machining/line1"
    async with open_stage(database_dsn, tmp_path, rules=rules) as bench:
        for second in range(12):
            warm = 70.0 if second >= 4 else 40.0
            rows = [Row(f"{line}/m{n}", "motor.temp", second, warm if n == 2 else 40.0 + n) for n in (1, 2, 3)]
            await bench.feed.send([*rows, Row(FINAL, "motor.temp", second, 500.0)])
            await bench.step(second)
            if second == 5:
                await bench.restart()
        await bench.step(13)
        raised = await bench.rows(
            "select e.path, a.raised_at, a.inputs from alarm a join equipment e on e.id = equipment_id"
        )
        assert [(each["path"], each["raised_at"]) for each in raised] == [(f"{line}/m2", at(6))]
        assert raised[0]["inputs"]["others"]["value"] == 42.0  # of 41 and 43
        assert raised[0]["inputs"]["others"]["assets"] == 2
        await bench.feed.send([Row(f"{line}/m{n}", "motor.temp", 5, 69.0, ordinal=1) for n in (1, 3)], received=14)
        await bench.step(15)
        # Late readings of the others: until 6 s they were as warm, so that the delay began then.
        assert await bench.one("select raised_at from alarm where retracted_at is null") == at(8)


@pytest.mark.parametrize("restarts", [False, True])
async def test_late_readings_after_a_change_of_the_rule_correct_what_the_new_version_told(
    bench: Stage, tmp_path: Path, restarts: bool
):
    """The alarm that the earlier version raised goes on; nothing goes back to before the change."""
    await bench.feed.send(vibration((0, 3.0), (4, 3.0)))
    await bench.step(6)
    alarm_id = await bench.one("select id from alarm where rule_id = 'vibration'")
    changed = RULES.replace("v > 4.5", "v > 4.6") + OTHER + MEAN
    if restarts:
        await bench.restart(settings_for(bench.dsn, tmp_path, rules=changed))
        await bench.step(6.1)
    else:
        await load(bench, tmp_path, changed, 6)
    await bench.feed.send(vibration((10, 3.0), (14, 3.0)))
    await bench.step(16)
    await bench.feed.send(vibration((1, 1.0), (2, 1.0), (9, 5.0), (12, 5.0)), received=17)
    await bench.step(18)
    rows = await bench.rows("select id, raised_at, severity, state from alarm where rule_id = 'vibration'")
    assert rows == [{"id": alarm_id, "raised_at": at(3), "severity": "high", "state": "ACTIVE_UNACK"}]
    escalated = await bench.one(
        "select v.at, v.late from alarm_event v join alarm a on a.id = alarm_id "
        "where a.rule_id = 'vibration' and v.kind = 'ESCALATE' and superseded_at is null")  # fmt: skip
    assert escalated["late"]
