"""What operators do, over HTTP: who may, what is written of it, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bridge.store.database import connected
from tests.plant_seed import LOGIN, Seed, add_account

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
LATER = (NOW + HOUR).isoformat()
STEPS = [
    ("/api/v1/alarms/{alarm}/ack", {}),
    ("/api/v1/alarms/{alarm}/reset", {}),
    ("/api/v1/alarms/{alarm}/shelve", {"reason": "r", "until": LATER}),
    ("/api/v1/alarms/{alarm}/unshelve", {}),
    ("/api/v1/alarms/{alarm}/verdict", {"verdict": "true"}),
    ("/api/v1/shelves", {"rule_id": "r", "equipment_id": 1, "reason": "r", "until": LATER}),
    ("/api/v1/shelves/unshelve", {"rule_id": "r", "equipment_id": 1}),
    ("/api/v1/out-of-service", {"equipment_id": 1, "work_order": "WO-1", "reason": "r"}),
    ("/api/v1/out-of-service/1/end", {}),
    ("/api/v1/tickets/{ticket}/steps", {"step": "triage", "seen": 1}),
]


@pytest.fixture
def alarm(seed: Seed) -> int:
    number = seed.alarm("cnc2", "high", "too much", NOW, rule="vibration")
    event(seed, number, NOW)
    return number


def event(seed: Seed, alarm: int, at: datetime, kind: str = "RAISE", severity: str = "high") -> None:
    seed.connection.execute(
        "insert into alarm_event (alarm_id, at, kind, severity) values (%s, %s, %s, %s)", (alarm, at, kind, severity)
    )


async def ok(answer: httpx.Response) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- alarms ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "body"), STEPS, ids=[path for path, _ in STEPS])
async def test_step_of_an_operator_is_not_a_viewers(database_dsn, tower, seed, alarm, path, body):
    async with connected(database_dsn, "test") as connection:
        await add_account(connection, "vera", "her long passphrase", "viewer")
    ticket = seed.ticket("cnc2", "high", "VIB", NOW, alarm, None)
    async with tower.client() as client:
        await tower.log_in(client, "vera", "her long passphrase")
        answer = await client.post(path.format(alarm=alarm, ticket=ticket), json=body)
    assert answer.status_code == 403
    assert seed.one("select count(*) from audit where action <> 'login'") == 0


async def test_acting_on_an_alarm_that_changed_says_what_it_is_now(client, seed, alarm):
    seen = (await ok(await client.get(f"/api/v1/alarms/{alarm}")))["alarm"]["revision"]
    seed.connection.execute("update alarm set severity = 'critical' where id = %s", (alarm,))
    event(seed, alarm, NOW, "ESCALATE", "critical")
    answer = await client.post(f"/api/v1/alarms/{alarm}/ack", json={"seen": seen})
    assert answer.status_code == 409
    assert "it is ACTIVE_UNACK, critical" in answer.json()["detail"]
    assert seed.one("select acked_at from alarm where id = %s", alarm) is None
    seen = (await ok(await client.get(f"/api/v1/alarms/{alarm}")))["alarm"]["revision"]
    assert (await ok(await client.post(f"/api/v1/alarms/{alarm}/ack", json={"seen": seen})))["state"] == "ACTIVE_ACK"


async def test_alarm_is_shelved_with_who_when_why_and_until(client, seed, alarm):
    body = {"kind": "one_shot", "reason": "bearing is on order", "until": LATER}
    answer = await ok(await client.post(f"/api/v1/alarms/{alarm}/shelve", json=body))
    assert (answer["overlay"], answer["shelved_until"]) == ("shelved", LATER.replace("+00:00", "Z"))
    [row] = await ok(await client.get("/api/v1/shelves"))
    assert (row["actor"], row["reason"], row["kind"]) == (LOGIN, "bearing is on order", "one_shot")
    assert seed.one("select detail ->> 'reason' from audit where action = 'alarm shelved'") == "bearing is on order"
    assert seed.one("select actor from alarm_event where kind = 'SHELVE'") == LOGIN
    again = await ok(await client.post(f"/api/v1/alarms/{alarm}/unshelve", json={"note": "it is here"}))
    assert again["overlay"] is None
    assert await ok(await client.get("/api/v1/shelves")) == []
    assert len(await ok(await client.get("/api/v1/shelves?days=1"))) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"until": LATER},
        {"reason": "", "until": LATER},
        {"reason": "   ", "until": LATER},
        {"reason": "r"},
        {"reason": "r", "until": (NOW - HOUR).isoformat()},
        {"reason": "r", "until": (NOW + 25 * HOUR).isoformat()},
        {"reason": "r", "until": "2027-01-01T00:00:00"},
        {"reason": "r", "until": LATER, "kind": "for ever"},
    ],
    ids=["no reason", "empty", "blank", "no end", "past", "too long", "no zone", "kind"],
)
async def test_shelving_without_a_reason_or_an_end_within_the_longest_time_is_refused(client, seed, alarm, body):
    assert (await client.post(f"/api/v1/alarms/{alarm}/shelve", json=body)).status_code == 422
    assert seed.one("select count(*) from shelf") == 0


async def test_alarm_that_does_not_stand_is_shelved_by_its_rule_and_machine(client, seed):
    machine = seed.equipment("cnc2")
    body = {"rule_id": "vibration", "equipment_id": machine, "reason": "trial", "until": LATER}
    [row] = await ok(await client.post("/api/v1/shelves", json=body))
    assert (row["rule_id"], row["equipment_id"]) == ("vibration", machine)
    assert (await client.post("/api/v1/shelves", json={**body, "equipment_id": 999_999})).status_code == 404
    gone = {"rule_id": "vibration", "equipment_id": machine}
    assert await ok(await client.post("/api/v1/shelves/unshelve", json=gone)) == []
    assert (await client.post("/api/v1/shelves/unshelve", json=gone)).status_code == 409


async def test_only_a_latched_alarm_can_be_reset(client, seed, alarm):
    answer = await client.post(f"/api/v1/alarms/{alarm}/reset", json={})
    assert (answer.status_code, answer.json()["detail"]) == (
        409, "only a latched alarm can be reset; this one is ACTIVE_UNACK",
    )  # fmt: skip
    seed.connection.execute("update alarm set state = 'LATCHED' where id = %s", (alarm,))
    assert (await ok(await client.post(f"/api/v1/alarms/{alarm}/reset", json={"note": "seen"})))["state"] == "NORMAL"


async def test_line_is_taken_out_of_service_under_a_work_order_with_all_on_it(client, seed, alarm):
    line = seed.one("select parent_id from equipment where id = %s", seed.equipment("cnc2"))
    body = {"equipment_id": line, "work_order": "WO-4711", "reason": "overhaul"}
    [row] = await ok(await client.post("/api/v1/out-of-service", json=body))
    assert (await client.post("/api/v1/out-of-service", json=body)).status_code == 409
    assert (await client.post("/api/v1/out-of-service", json={**body, "equipment_id": 999_999})).status_code == 404
    [shown] = [each for each in await ok(await client.get("/api/v1/alarms")) if each["id"] == alarm]
    assert shown["overlay"] == "out_of_service"
    assert await ok(await client.post(f"/api/v1/out-of-service/{row['id']}/end", json={})) == []
    assert (await client.post(f"/api/v1/out-of-service/{row['id']}/end", json={})).status_code == 409
    assert seed.one("select count(*) from audit where subject = %s", f"equipment:{line}") == 2


async def test_alarms_of_a_line_are_grouped_by_the_first_though_it_is_over(client, seed):
    first = seed.alarm("saw2", "medium", "starved", NOW - timedelta(seconds=50), rule="a")
    second = seed.alarm("cnc2", "high", "starved", NOW - timedelta(seconds=30), rule="b")
    alone = seed.alarm("cnc1", "high", "hot", NOW - timedelta(seconds=20), rule="c")
    seed.connection.execute("update alarm set state = 'NORMAL', closed_at = now() where id = %s", (first,))
    groups = await ok(await client.get("/api/v1/alarms/groups"))
    shown = {group["first_up"]["id"]: [each["id"] for each in group["followers"]] for group in groups}
    assert shown == {first: [second], alone: []}


async def test_rule_may_name_another_group_than_the_line(client, seed):
    seed.rule("wide", {"group": "area"})
    first = seed.alarm("saw1", "medium", "no air", NOW - timedelta(seconds=50), rule="wide")
    second = seed.alarm("cnc2", "high", "no air", NOW - timedelta(seconds=30), rule="wide")
    alone = seed.alarm("insp2", "high", "starved", NOW - timedelta(seconds=20), rule="narrow")
    groups = await ok(await client.get("/api/v1/alarms/groups"))
    shown = {group["first_up"]["id"]: [each["id"] for each in group["followers"]] for group in groups}
    assert shown == {first: [second], alone: []}


async def test_newest_verdict_on_an_alarm_counts(client, alarm):
    for verdict in ("false", "true"):
        answer = await ok(await client.post(f"/api/v1/alarms/{alarm}/verdict", json={"verdict": verdict}))
    assert answer["verdict"] == "true"
    assert (await client.post(f"/api/v1/alarms/{alarm}/verdict", json={"verdict": "perhaps"})).status_code == 422


# --- tickets -----------------------------------------------------------------------------------------------------------------------


async def test_ticket_goes_its_way_over_http(client, seed, alarm):
    ticket = seed.ticket("cnc2", "high", "VIB", NOW - HOUR, alarm, None)
    seed.connection.execute("insert into ticket_occurrence values (%s, %s, now())", (ticket, alarm))
    seen = (await ok(await client.get(f"/api/v1/tickets/{ticket}/life")))["life"]["revision"]
    done = {"mechanism": "2.4", "cause": "3.4", "action": "1", "downtime_s": 5400, "was_true": "true"}
    for step, more in (
        ("triage", {"assignee": "otto"}), ("approve", {}), ("schedule", {"scheduled_for": LATER}), ("start", {}),
        ("hold", {"reason": "spare part"}), ("resume", {}), ("finish", done), ("verify", {}), ("close", {}),
    ):  # fmt: skip
        answer = await ok(
            await client.post(f"/api/v1/tickets/{ticket}/steps", json={"step": step, "seen": seen, **more})
        )
        seen = answer["life"]["revision"]
    assert answer["ticket"]["state"] == "CLOSED"
    assert answer["steps"] == []
    assert (answer["life"]["mechanism"], answer["life"]["downtime_s"], answer["life"]["assignee"]) == (
        "2.4",
        5400,
        "otto",
    )
    assert answer["occurrences"][0]["verdict"] == "true"
    assert [each["kind"] for each in answer["events"]] == [
        "triage", "approve", "schedule", "start", "hold", "resume", "finish", "verify", "close",
    ]  # fmt: skip
    assert seed.one("select count(*) from audit where actor = %s and action like 'ticket: %%'", LOGIN) == 9


@pytest.mark.parametrize(
    ("step", "more", "status", "said"),
    [
        ("reject", {}, 422, "needs reason"),
        ("finish", {"mechanism": "2.4"}, 422, "needs cause, action, downtime_s, was_true"),
        ("close", {}, 409, "a ticket that is NEW cannot close; possible: triage, reject"),
        ("triage", {"seen": 99}, 409, "has changed since you saw it"),
        ("dance", {}, 422, ""),
        (
            "finish",
            {"mechanism": "9.9", "cause": "3.4", "action": "1", "downtime_s": 1, "was_true": "true"},
            422,
            "mechanism 9.9 is no code",
        ),
    ],
)
async def test_step_that_is_not_allowed_or_says_too_little_is_refused(client, seed, alarm, step, more, status, said):
    ticket = seed.ticket("cnc2", "high", "VIB", NOW, alarm, None)
    answer = await client.post(f"/api/v1/tickets/{ticket}/steps", json={"step": step, "seen": 1, **more})
    assert answer.status_code == status
    assert said in str(answer.json()["detail"])
    assert seed.one("select state from ticket where id = %s", ticket) == "NEW"


async def test_codes_are_those_of_iso_14224(client):
    codes = await ok(await client.get("/api/v1/ticket-codes"))
    assert codes["mechanism"]["2.4"] == "Wear"
    assert codes["failure_mode"]["VIB"] == "Vibration"
    assert {kind: len(names) for kind, names in codes.items()} == {
        "action": 12, "cause": 20, "failure_mode": 34, "mechanism": 38,
    }  # fmt: skip


async def test_what_is_not_there_is_not_found(client):
    for path in ("/api/v1/alarms/9", "/api/v1/tickets/9", "/api/v1/tickets/9/life", "/api/v1/tickets/9/evidence/data"):
        assert (await client.get(path)).status_code == 404
    step = {"step": "triage", "seen": 1}
    assert (await client.post("/api/v1/tickets/9/steps", json=step)).status_code == 404
    for path in ("/api/v1/promises", "/api/v1/notifications", "/api/v1/rule-feedback", "/api/v1/out-of-service"):
        assert await ok(await client.get(path)) == []


# --- alarm load ----------------------------------------------------------------------------------------------------------------------


async def test_alarm_load_counts_what_called_people_by_console_area_and_line(client, seed):
    noisy = seed.alarm("cnc2", "low", "too much", NOW - 30 * HOUR, rule="noisy")
    for n in range(12):
        event(seed, noisy, NOW - timedelta(minutes=30, seconds=-10 * n), severity="low")
    quiet = seed.alarm("cnc1", "high", "hot", NOW - HOUR, rule="quiet")
    event(seed, quiet, NOW - HOUR)
    shelved = seed.alarm("saw1", "high", "shelved", NOW - HOUR, rule="shelved")
    event(seed, shelved, NOW - HOUR)
    seed.connection.execute("update alarm_event set annunciated = false where alarm_id = %s", (shelved,))
    load = await ok(await client.get("/api/v1/alarm-load?hours=24"))
    [plant] = load["units"]
    assert plant["alarms"] == 13
    assert plant["per_hour"] == pytest.approx(13 / 24)
    assert plant["peak_per_10_min"] == 12
    [flood] = plant["floods"]
    assert (flood["alarms"], flood["ends_at"] is None) == (12, False)
    assert plant["priorities"]["low"] == pytest.approx(12 / 13)
    assert [(source["rule_id"], source["alarms"]) for source in plant["worst"]] == [("noisy", 12), ("quiet", 1)]
    assert [(each["rule_id"], each["times"]) for each in plant["chattering"]] == [("noisy", 10)]
    assert [each["alarm_id"] for each in plant["stale"]] == [noisy]
    assert plant["verdicts"] == {
        "acceptable rate": True, "manageable rate": True, "no flood": False, "time in flood": plant["in_flood"] < 0.01,
        "top sources": False, "stale": True, "chattering": False,
    }  # fmt: skip
    lines = {
        unit["unit"]: unit["alarms"] for unit in (await ok(await client.get("/api/v1/alarm-load?by=line")))["units"]
    }
    assert {name.rpartition("/")[2]: n for name, n in lines.items()} == {"line1": 1, "line2": 12}
    areas = (await ok(await client.get("/api/v1/alarm-load?by=area")))["units"]
    assert [unit["alarms"] for unit in areas] == [13]
