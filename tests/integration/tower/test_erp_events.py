"""Business systems over HTTP: who may do what, what is written of it, what is refused and in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bridge.model.production import Disposition, event_id
from bridge.store import connector_condition, mending
from bridge.store.connector_condition import Told
from tests.contract.scenes import actual
from tests.plant_seed import LOGIN
from tests.relay_process import post, put

ORDER = "WH/MO/00017"
NOW = datetime.now(UTC)


async def ok(answer: httpx.Response, status: int = 200) -> dict:
    assert answer.status_code == status, answer.text
    return answer.json()


# --- who may ---------------------------------------------------------------------------------------------------------------------


# --- what there is -----------------------------------------------------------------------------------------------------------------


async def test_connector_says_what_waits_what_went_and_that_no_relay_runs(client, connection, event):
    [done] = await post(connection, "WH/MO/00018", [7])
    await connection.execute(
        "update outbox set state = 'done', done_at = now(), external_id = 'WH/MO/00018' where id = %s", (done,)
    )
    answer = await ok(await client.get("/api/v1/erp"))
    [erp] = answer["connectors"]
    assert (erp["connector"], erp["type"], erp["can_compare"]) == ("erp", "odoo19", True)
    assert (erp["waiting"], erp["parked"], erp["failing"]) == (2, 1, 0)
    assert (erp["posted_today"], erp["pieces_today"], erp["condition"]) == (1, "7", None)
    assert erp["last_success_at"] is not None
    [parked] = answer["attention"]
    assert (parked["id"], parked["kind"], parked["order_ref"], parked["quantity"]) == (event, "wip_to_fg", ORDER, "5")
    assert (parked["last_error"], parked["attempts"], parked["behind"]) == ("order is closed", 3, 1)


async def test_connector_is_as_its_newest_relay_finds_it(client, connection):
    relay = event_id("relay", "1", 1)
    told = Told("erp", "refused", "401: no such key", timedelta(minutes=5))
    await connector_condition.tell(connection, relay, [told], is_news=True)
    [erp] = (await ok(await client.get("/api/v1/erp")))["connectors"]
    assert (erp["condition"], erp["condition_reason"]) == ("refused", "401: no such key")
    assert datetime.fromisoformat(erp["condition_until"]) > datetime.now(UTC) + timedelta(minutes=4)
    await connection.execute("update connector_condition set heard_at = now() - interval '1 minute'")
    await client.post("/api/v1/erp/connectors/erp/stop", json={"reason": "r"})  # which reads anew
    [erp] = (await ok(await client.get("/api/v1/erp")))["connectors"]
    assert erp["condition"] is None


async def test_event_tells_all_that_is_known_of_it(client, connection, seed, event):
    await connection.execute(
        "insert into outbox_attempt (outbox_id, step, outcome, status, request, answer, duration_ms)"
        " values (%s, 'mark done', 'business', 422, '{\"call\": \"x\"}', 'order is closed', 12)",
        (event,),
    )
    counts = [seed.count("insp1", NOW - timedelta(minutes=n), 1, order=ORDER, final=True) for n in range(5)]
    seed.readings(1, [(seed.tag("insp1", "parts.good", kind="counter"), NOW, 4711.0, 0)])
    await connection.execute("update production_count set outbox_id = %s where id = any(%s)", (event, counts))
    serial = "insert into count_serial select id, 'SN1', 1, tag_id, ts, 0 from production_count where id = %s"
    await connection.execute(serial, (counts[0],))
    answer = await ok(await client.get(f"/api/v1/erp/events/{event}"))
    fields = {field["name"]: field for field in answer["fields"]}
    assert (fields["quantity"]["label"], fields["quantity"]["value"], fields["event_id"]["kind"]) == (
        "Quantity",
        "5",
        "fixed",
    )
    [attempt] = answer["attempts"]
    assert (attempt["step"], attempt["status"], attempt["answer"]) == ("mark done", 422, "order is closed")
    assert (answer["counts_in_all"], answer["pieces"], len(answer["counts"])) == (5, 5, 5)
    assert answer["counts"][0]["machine"] == "insp1"
    assert answer["counts"][0]["tag"] == "parts.good"
    assert [count["reading"] for count in answer["counts"]] == [None, None, None, None, 4711.0]
    assert [count["serial"] for count in answer["counts"]] == ["", "", "", "", "SN1"]
    assert (answer["counts"][4]["lane"], answer["counts"][4]["batch_seq"]) == (1, 1)


async def test_events_of_an_order_come_newest_first(client, connection, event):
    await post(connection, "WH/MO/00018", [7])
    found = await ok(await client.get("/api/v1/erp/events", params={"order": ORDER}))
    assert [row["seq"] for row in found] == [2, 1]
    assert await ok(await client.get("/api/v1/erp/events")) == []  # nothing was taken yet
    assert len(await ok(await client.get("/api/v1/erp/events", params={"order": ORDER, "most": 1}))) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/erp/events/999999", "/api/v1/erp/questions/999999", "/api/v1/erp/connectors/sap/comparison",
    ],
)  # fmt: skip
async def test_what_there_is_not_is_said_in_words(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert "there" in answer.json()["detail"] or "no such" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/erp/events/0", f"/api/v1/erp/events/{2**63}", "/api/v1/erp/events?most=201"])
async def test_what_is_out_of_bounds_is_refused(client, path):
    assert (await client.get(path)).status_code == 422


# --- mend and send again ---------------------------------------------------------------------------------------------------------


async def test_edit_keeps_the_fact_and_who_changed_what_and_why(client, seed, event):
    before = seed.one("select payload ->> 'event_id' from outbox where id = %s", event)
    body = {
        "changes": {"order_ref": "WH/MO/00018", "quantity": "5"},
        "reason": "wrong order at the terminal",
        "seen": 0,
    }
    answer = await ok(await client.post(f"/api/v1/erp/events/{event}/edit", json=body))
    [edit] = answer["edits"]
    assert (edit["actor"], edit["reason"]) == (LOGIN, "wrong order at the terminal")
    assert edit["changed"] == {"order_ref": [ORDER, "WH/MO/00018"]}
    assert seed.one("select payload ->> 'event_id' from outbox where id = %s", event) == before
    assert (
        seed.one("select detail -> 'changes' ->> 'order_ref' from audit where action = 'event edited'") == "WH/MO/00018"
    )
    assert seed.one("select actor from audit where action = 'event edited'") == LOGIN


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"changes": {"quantity": "five"}, "reason": "r"}, "quantity: 'five' is no number"),
        ({"changes": {"event_id": "x"}, "reason": "r"}, "event_id: is part of what the event is"),
        ({"changes": {"colour": "red"}, "reason": "r"}, "no such field"),
        ({"changes": {"quantity": "5"}, "reason": "r"}, "nothing is changed"),
        ({"changes": {"lot": "x"}}, "Field required"),
        ({"changes": {"lot": "x"}, "reason": "  "}, "at least 1 character"),
        ({"changes": {}, "reason": "r"}, "at least 1 item"),
        ({"changes": {f"f{n}": "" for n in range(41)}, "reason": "r"}, "at most 40"),
    ],
)
async def test_edit_that_cannot_be_is_refused_with_what_is_wrong(client, seed, event, body, words):
    answer = await client.post(f"/api/v1/erp/events/{event}/edit", json=body)
    assert answer.status_code == 422
    assert words in str(answer.json()["detail"])
    assert seed.one("select count(*) from outbox_edit") == 0


async def test_only_what_waits_for_a_person_is_edited_or_replayed(client, connection, seed):
    [waits] = await post(connection, ORDER, [5])
    for path, body in ((f"{waits}/edit", {"changes": {"lot": "L"}, "reason": "r"}), (f"{waits}/replay", {})):
        answer = await client.post(f"/api/v1/erp/events/{path}", json=body)
        assert answer.status_code == 409
        assert "it is on its way" in answer.json()["detail"]
    await connection.execute(
        "update outbox set state = 'done', done_at = now(), external_id = 'D/17' where id = %s", (waits,)
    )
    answer = await client.post(f"/api/v1/erp/events/{waits}/replay", json={})
    assert "the system has it, as D/17" in answer.json()["detail"]
    assert seed.one("select count(*) from audit where action <> 'login'") == 0


async def test_serial_number_that_another_event_has_is_refused_with_that_event(client, connection, seed, event):
    [other] = await post(connection, "WH/MO/00018", [1])
    await connection.execute('update outbox set payload = payload || \'{"serials": ["SN1"]}\' where id = %s', (other,))
    body = {"changes": {"serials": ["SN1"]}, "reason": "read off the piece"}
    answer = await client.post(f"/api/v1/erp/events/{event}/edit", json=body)
    assert (answer.status_code, seed.one("select count(*) from outbox_edit")) == (409, 0)
    assert f"the serial number SN1 is in event {other} already" in answer.json()["detail"]


async def test_edit_of_an_event_that_somebody_else_changed_meanwhile_is_refused(client, connection, seed, event):
    await mending.edit(connection, event, {"lot": "L1"}, "paul", "the label")
    body = {"changes": {"lot": "L2"}, "reason": "r", "seen": 0}
    answer = await client.post(f"/api/v1/erp/events/{event}/edit", json=body)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "paul has changed it since you saw it; look at it again"
    assert seed.one("select payload ->> 'lot' from outbox where id = %s", event) == "L1"
    assert seed.one("select count(*) from outbox_edit") == 1


async def test_replay_gives_the_event_back_to_the_relay(client, seed, event):
    answer = await ok(await client.post(f"/api/v1/erp/events/{event}/replay", json={}))
    assert (answer["id"], answer["state"]) == (event, "pending")
    assert seed.one("select detail ->> 'error' from audit where action = 'event replayed'") == "order is closed"
    assert (await client.post(f"/api/v1/erp/events/{event}/replay", json={})).status_code == 409


async def test_event_that_was_booked_by_hand_counts_as_posted_and_lets_its_stream_go_on(client, seed, event):
    body = {"reason": "entered at the terminal", "document": "WH/MO/00042"}
    answer = await ok(await client.post(f"/api/v1/erp/events/{event}/settle", json=body))
    assert (answer["state"], answer["external_id"], answer["last_error"]) == ("done", "WH/MO/00042", "")
    kept = "select actor || ': ' || reason from outbox_edit where before = after"
    assert seed.one(kept) == f"{LOGIN}: booked by hand: entered at the terminal"
    assert seed.one("select detail ->> 'error' from audit where action = 'event settled'") == "order is closed"
    assert (await client.post(f"/api/v1/erp/events/{event}/settle", json=body)).status_code == 409
    assert (await client.post(f"/api/v1/erp/events/{event}/settle", json={"document": "x"})).status_code == 422


async def test_all_that_waits_for_a_person_is_replayed_at_once_with_a_reason(client, connection, seed, event):
    [other] = await post(connection, "WH/MO/00018", [7])
    await connection.execute("update outbox set state = 'parked', last_error = 'closed' where id = %s", (other,))
    path = "/api/v1/erp/connectors/erp/replay"
    assert (await client.post(path, json={"reason": ""})).status_code == 422
    answer = await ok(await client.post(path, json={"reason": "the period is open again"}))
    assert answer["events"] == [event, other]
    assert seed.one("select count(*) from outbox where state = 'parked'") == 0
    assert (
        seed.one("select detail ->> 'reason' from audit where action = 'events replayed'") == "the period is open again"
    )
    again = await client.post(path, json={"reason": "r"})
    assert (again.status_code, again.json()["detail"]) == (409, "nothing of erp waits for a person")


# --- take back -------------------------------------------------------------------------------------------------------------------


async def test_pieces_are_taken_back_once_however_often_it_is_sent(client, connection, seed):
    [done] = await post(connection, ORDER, [5])
    await connection.execute(
        "update outbox set state = 'done', done_at = now(), external_id = 'D/1' where id = %s", (done,)
    )
    body = {"connector": "erp", "order": ORDER, "quantity": "2", "reason": "cracked", "key": "page-0001"}
    first = await ok(await client.post("/api/v1/erp/take-back", json=body))
    assert await ok(await client.post("/api/v1/erp/take-back", json=body)) == first
    [made] = first["events"]
    assert seed.one("select kind from outbox where id = %s", made) == "reversal"
    assert seed.one("select payload ->> 'quantity' from outbox where id = %s", made) == "2"
    assert seed.one("select detail ->> 'reason' from audit where action = 'pieces taken back'") == "cracked"
    of_posting = await ok(await client.get(f"/api/v1/erp/events/{done}"))
    assert [(each["outbox_id"], each["quantity"], each["actor"]) for each in of_posting["reversals"]] == [
        (made, "2", LOGIN)
    ]
    of_reversal = await ok(await client.get(f"/api/v1/erp/events/{made}"))
    assert [each["reverses_id"] for each in of_reversal["reversals"]] == [done]


async def test_more_than_was_posted_is_not_taken_back(client, connection, seed):
    [done] = await post(connection, ORDER, [5])
    await connection.execute(
        "update outbox set state = 'done', done_at = now(), external_id = 'D/1' where id = %s", (done,)
    )
    body = {"connector": "erp", "order": ORDER, "quantity": "6", "reason": "cracked", "key": "page-0001"}
    answer = await client.post("/api/v1/erp/take-back", json=body)
    assert answer.status_code == 409
    assert "5 are left" in answer.json()["detail"]
    assert seed.one("select count(*) from outbox") == 1
    assert seed.one("select count(*) from audit where action <> 'login'") == 0


@pytest.mark.parametrize(
    "change",
    [{"quantity": "0"}, {"quantity": "-1"}, {"quantity": "NaN"}, {"quantity": "x"}, {"key": "a"}, {"reason": ""}],
)
async def test_taking_back_without_a_quantity_reason_or_key_is_refused(client, change):
    body = {"connector": "erp", "order": ORDER, "quantity": "1", "reason": "r", "key": "page-0001", **change}
    assert (await client.post("/api/v1/erp/take-back", json=body)).status_code == 422


async def test_one_event_is_taken_back_whatever_it_said_once(client, connection, seed):
    scrap = await put(connection, actual("3", "3", order=ORDER, disposition=Disposition.SCRAP), ORDER)
    path = f"/api/v1/erp/events/{scrap}/take-back"
    body = {"quantity": "1", "reason": "good after all", "key": "page-0001"}
    [part] = (await ok(await client.post(path, json=body)))["events"]
    assert (await ok(await client.post(path, json=body)))["events"] == [part]
    too_much = await client.post(path, json={**body, "quantity": "3", "key": "page-0002"})
    assert (too_much.status_code, "2 are left" in too_much.json()["detail"]) == (409, True)
    [rest] = (await ok(await client.post(path, json={"reason": "all of it", "key": "page-0003"})))["events"]
    quantities = "select string_agg(payload ->> 'quantity', ',' order by id) from outbox where kind = 'reversal'"
    assert seed.one(quantities) == "1,2"
    assert seed.one("select payload -> 'reverses' ->> 'kind' from outbox where id = %s", rest) == "scrap"
    assert (
        seed.one("select detail ->> 'reason' from audit where action = 'event taken back' limit 1") == "good after all"
    )
    assert (await client.post("/api/v1/erp/events/4711/take-back", json=body)).status_code == 404


# --- stop and go -----------------------------------------------------------------------------------------------------------------


async def test_connector_is_stopped_and_let_go_on_with_who_and_why(client, seed):
    [erp] = (await ok(await client.post("/api/v1/erp/connectors/erp/stop", json={"reason": "stock-taking"})))[
        "connectors"
    ]
    assert (erp["stopped_by"], erp["stop_reason"]) == (LOGIN, "stock-taking")
    again = await client.post("/api/v1/erp/connectors/erp/stop", json={"reason": "r"})
    assert (again.status_code, again.json()["detail"]) == (409, "erp is stopped already")
    [erp] = (await ok(await client.post("/api/v1/erp/connectors/erp/go", json={"reason": "counted"})))["connectors"]
    assert erp["stopped_by"] is None
    await ok(await client.post("/api/v1/erp/connectors/erp/go", json={"reason": "the key was renewed"}))
    assert seed.one("select times from connector_go where connector = 'erp'") == 2
    assert (
        seed.one("select string_agg(detail ->> 'reason', ',' order by id) from audit where subject = 'connector:erp'")
        == "stock-taking,counted,the key was renewed"
    )


async def test_connector_that_is_not_there_is_told_with_those_that_are(client):
    answer = await client.post("/api/v1/erp/connectors/sap/stop", json={"reason": "r"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no connector sap; there are: erp")
    assert (await client.post("/api/v1/erp/connectors/erp/stop", json={"reason": ""})).status_code == 422
