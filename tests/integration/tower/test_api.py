"""The control tower over a real database: logins, guard, API."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
import websockets

from bridge.store import account
from bridge.store.account import create_account
from bridge.store.database import connected
from tests.dashboard_process import Tower, running_tower
from tests.plant_seed import LOGIN, PASSWORD, VIBRATION_RULE, picture

# --- who may see what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/login", "/health", "/ready", "/metrics", "/assets/login.css", "/assets/mark.svg"])
async def test_open_without_a_login(tower, path):
    async with tower.client() as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/api/v1/plant", "/api/v1/me", "/api/v1/openapi.json", "/_dash-layout", "/_dash-dependencies", "/static/plotly-1.js", "/api/v1/nothing"],
)  # fmt: skip
async def test_closed_without_a_login(tower, path):
    async with tower.client() as client:
        assert (await client.get(path)).status_code == 401


async def test_a_browser_without_a_login_is_led_to_the_login_page(tower):
    async with tower.client() as client:
        answer = await client.get("/machine/3", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/machine/3")


async def test_metrics_through_a_proxy_want_a_login(tower):
    async with tower.client() as client:
        assert (await client.get("/metrics", headers={"x-forwarded-for": "10.0.0.9"})).status_code == 401


async def test_login_opens_a_session_that_logout_ends_on_the_server(tower, client):
    assert (await client.get("/api/v1/me")).json() == {"login": LOGIN, "role": "operator"}
    token = client.cookies["amor_session"]
    assert (await client.post("/api/v1/logout", json={})).status_code == 204
    async with tower.client() as other:
        other.cookies.set("amor_session", token)
        assert (await other.get("/api/v1/me")).status_code == 401


async def test_cookie_is_http_only_and_same_site(tower):
    async with tower.client() as client:
        cookie = (await tower.log_in(client)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


async def test_secure_cookie_where_configured(database_dsn):
    async with running_tower(database_dsn, secure_cookie=True) as tower, tower.client() as client:
        assert "secure" in (await tower.log_in(client)).headers["set-cookie"].lower()


async def test_token_is_kept_as_its_hash_only(client, seed):
    kept = bytes(seed.one("select token_sha256 from login_session"))
    assert len(kept) == 32
    assert client.cookies["amor_session"].encode() not in kept


@pytest.mark.parametrize(("login", "password"), [(LOGIN, "wrong"), ("nobody", PASSWORD)])
async def test_wrong_login_and_wrong_password_look_the_same(tower, login, password):
    async with tower.client() as client:
        answer = await tower.log_in(client, login, password)
    assert (answer.status_code, answer.json()["detail"]) == (401, "wrong login or password")


async def test_after_five_failures_the_right_password_has_to_wait(tower):
    async with tower.client() as client:
        codes = [(await tower.log_in(client, LOGIN, "wrong")).status_code for _ in range(5)]
        answer = await tower.log_in(client)
    assert (codes, answer.status_code) == ([401] * 5, 429)
    assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_wrong_logins_at_the_same_time_count_against_each_other(tower):
    async with tower.client() as client:
        answers = await asyncio.gather(*(tower.log_in(client, LOGIN, f"wrong {n}") for n in range(40)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 35


async def test_right_logins_use_up_no_tries(tower):
    async with tower.client() as client:
        answers = [await tower.log_in(client) for _ in range(25)]
    assert {answer.status_code for answer in answers} == {200}


async def test_no_connection_is_held_while_passwords_are_verified(tower, client, monkeypatch):
    """A pool of 6: with as many verifications in hand and more, the others are served on."""
    verifying, verified = threading.Semaphore(0), threading.Event()

    def slow(_password_hash, _password):
        verifying.release()
        return not verified.wait(30)

    monkeypatch.setattr(account, "_matches", slow)
    tries = [asyncio.create_task(tower.log_in(client, f"nobody {n}", "wrong")) for n in range(12)]
    await asyncio.to_thread(lambda: [verifying.acquire(timeout=30) for _ in range(2)])
    assert (await client.get("/api/v1/plant")).status_code == 200
    assert not verifying.acquire(blocking=False)  # two at a time
    verified.set()
    assert {(await each).status_code for each in tries} == {401}


@pytest.mark.parametrize("field", ["login", "password"])
@pytest.mark.parametrize("characters", ["\\u0000", "\\ud800", "\\udc00\\ud800"])
async def test_credentials_of_impossible_characters_are_refused_and_not_repeated(tower, field, characters):
    texts = {"login": LOGIN, "password": "a wrong one"} | {field: f"secret{characters}"}
    body = "{" + ", ".join(f'"{name}": "{text}"' for name, text in texts.items()) + "}"
    async with tower.client() as client:
        answer = await client.post("/api/v1/login", content=body, headers={"content-type": "application/json"})
    # A password may hold a NUL: it is never kept.
    assert answer.status_code == (401 if (field, characters) == ("password", "\\u0000") else 422)
    assert "secret" not in answer.text


async def test_new_password_ends_the_old_sessions(database_dsn, seed, client):
    async with connected(database_dsn, "test") as connection:
        await create_account(connection, LOGIN.upper(), "another passphrase", "viewer")
    assert seed.one("select count(*) from account") == 1
    assert seed.one("select count(*) from login_session where revoked_at is null") == 0


async def test_a_change_must_be_json(client):
    answer = await client.post("/api/v1/login", data={"login": LOGIN, "password": PASSWORD})
    assert answer.status_code == 415


async def test_another_origin_may_not_change_anything(client):
    answer = await client.post("/api/v1/logout", json={}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert (await client.get("/api/v1/me")).status_code == 200


async def test_every_answer_forbids_what_comes_from_elsewhere(tower):
    async with tower.client() as client:
        answer = await client.get("/login")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'self'" in script
    assert "unsafe" not in script
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- the socket's door -------------------------------------------------------------------------------------------------


async def _handshake(tower: Tower, **headers: str) -> int:
    address = tower.url.replace("http", "ws", 1) + "/ws/v1/live"
    try:
        async with websockets.connect(address, additional_headers=headers):
            return 101
    except websockets.InvalidStatus as error:
        return error.response.status_code


async def test_socket_without_a_session_is_refused(tower):
    assert await _handshake(tower) == 403
    assert await _handshake(tower, cookie="amor_session=made-up") == 403


async def test_socket_from_another_origin_is_refused(tower, client):
    cookie = f"amor_session={client.cookies['amor_session']}"
    assert await _handshake(tower, cookie=cookie, origin="http://evil.example") == 403
    assert await _handshake(tower, cookie=cookie, origin=tower.url) == 101
    assert await _handshake(tower, cookie=cookie) == 101


# --- the API -----------------------------------------------------------------------------------------------------------


async def test_unknown_addresses_of_the_api_are_not_dashs_page(client):
    answer = await client.get("/api/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert (await client.get("/api/v2/plant")).status_code == 404


async def test_pages_come_with_their_scripts_from_here(client):
    page = (await client.get("/machine/1", headers={"accept": "text/html"})).text
    assert "http://" not in page
    assert "https://" not in page
    assert "/assets/live.js" in page
    assert "login.js" not in page


async def test_openapi_describes_the_api(client):
    paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    assert {"/api/v1/plant", "/api/v1/alarms/{alarm_id}/ack", "/api/v1/outbox"} <= set(paths)


async def test_every_list_is_empty_but_machines_in_a_new_plant(client):
    for path in ("alarms", "tickets", "orders", "shipments", "watched"):
        assert (await client.get(f"/api/v1/{path}")).json() == [], path
    machines = (await client.get("/api/v1/machines")).json()
    assert [machine["name"] for machine in machines] == ["saw1", "cnc1", "insp1", "saw2", "cnc2", "insp2"]
    assert {machine["state"] for machine in machines} == {"UNKNOWN"}
    assert [line["name"] for line in (await client.get("/api/v1/lines")).json()] == ["line1", "line2"]


async def test_machine_shows_its_tags_with_quality_and_limits(client, seed):
    seed.rule("vibration", VIBRATION_RULE)
    tag, now = seed.tag("cnc2", "spindle.vib_rms", "mm/s"), datetime.now(UTC)
    seed.readings(2, [(tag, now - timedelta(seconds=1), 2.0, 0), (tag, now, 3.5, 0x40900000)])
    detail = (await client.get(f"/api/v1/machines/{seed.equipment('cnc2')}")).json()
    (shown,) = detail["tags"]
    assert (shown["value"], shown["unit"], shown["severity"]) == (3.5, "mm/s", "uncertain")
    assert [limit["value"] for limit in shown["limits"]] == [2.8, 4.5]
    assert (await client.get("/api/v1/machines/999999")).status_code == 404


async def test_trend_leaves_a_gap_where_readings_were_bad(client, seed):
    tag, now = seed.tag("cnc1", "spindle.temp", "Cel"), datetime.now(UTC)
    at = [now - timedelta(seconds=s) for s in (300, 200, 100)]
    seed.readings(1, [(tag, at[0], 40.0, 0), (tag, at[1], 999.0, 0x80000000), (tag, at[2], 42.0, 0)])
    points = (await client.get(f"/api/v1/tags/{tag}/trend?window=15m")).json()["points"]
    assert [point["value"] for point in points] == [40.0, None, 42.0]
    assert (await client.get("/api/v1/tags/999999/trend")).status_code == 404
    assert (await client.get(f"/api/v1/tags/{tag}/trend?window=year")).status_code == 422


async def test_states_are_cut_to_the_window(client, seed):
    now = datetime.now(UTC)
    seed.state("saw1", now - timedelta(hours=5), now - timedelta(minutes=5), "RUNNING")
    seed.state("saw1", now - timedelta(minutes=5), None, "UNPLANNED_STOP", "tool breakage")
    machine = seed.equipment("saw1")
    spans = (await client.get(f"/api/v1/machines/{machine}/states?window=15m")).json()
    assert [span["state"] for span in spans] == ["RUNNING", "UNPLANNED_STOP"]
    assert datetime.fromisoformat(spans[0]["starts_at"]) > now - timedelta(minutes=16)
    assert len((await client.get(f"/api/v1/figures/states/{machine}?window=15m")).json()["data"]) == 2


async def test_acknowledgement_is_written_with_its_note_and_audited(client, seed):
    alarm = seed.alarm("cnc2", "high", "too much", datetime.now(UTC))
    answer = await client.post(f"/api/v1/alarms/{alarm}/ack", json={"note": "bearing ordered"})
    assert (answer.status_code, answer.json()["state"], answer.json()["acked_by"]) == (200, "ACTIVE_ACK", LOGIN)
    assert seed.one("select note from alarm_event where alarm_id = %s and kind = 'ACK'", alarm) == "bearing ordered"
    assert seed.one("select actor from audit where subject = %s", f"alarm:{alarm}") == LOGIN
    assert (await client.post("/api/v1/alarms/999999/ack", json={})).status_code == 404


@pytest.mark.parametrize(
    ("note", "status", "kept"), [(rb"a\u0000b", 200, r"a\u0000b"), (rb"a\ud800b", 422, None)], ids=["NUL", "half pair"]
)
async def test_a_note_that_no_database_takes_is_kept_as_escapes_or_refused(client, seed, note, status, kept):
    alarm = seed.alarm("cnc2", "high", "too much", datetime.now(UTC))
    headers = {"Content-Type": "application/json"}
    answer = await client.post(f"/api/v1/alarms/{alarm}/ack", content=b'{"note": "' + note + b'"}', headers=headers)
    assert answer.status_code == status
    assert seed.one("select max(note) from alarm_event where kind = 'ACK'") == kept


async def test_a_viewer_may_not_acknowledge(database_dsn, tower, seed):
    async with connected(database_dsn, "test") as connection:
        await create_account(connection, "vera", "her passphrase", "viewer")
    alarm = seed.alarm("cnc2", "high", "too much", datetime.now(UTC))
    async with tower.client() as client:
        await tower.log_in(client, "vera", "her passphrase")
        assert (await client.post(f"/api/v1/alarms/{alarm}/ack", json={})).status_code == 403
    assert seed.one("select state from alarm where id = %s", alarm) == "ACTIVE_UNACK"


async def test_ticket_has_its_picture(client, seed):
    now = datetime.now(UTC)
    alarm = seed.alarm("cnc2", "high", "too much", now)
    ticket = seed.ticket("cnc2", "high", "Vibration", now, alarm, picture())
    answer = await client.get(f"/api/v1/tickets/{ticket}/evidence")
    assert (answer.headers["content-type"], answer.content[:4]) == ("image/png", b"\x89PNG")
    assert (await client.get("/api/v1/tickets")).json()[0]["has_picture"] is True
    assert (await client.get("/api/v1/tickets/999999/evidence")).status_code == 404


async def test_orders_show_what_was_made_and_posted_and_outbox_what_waits(client, seed):
    now = datetime.now(UTC)
    seed.order("MO1", "Housing", 100, now)
    counts = [seed.count("insp1", now, qty, order="MO1", final=True) for qty in (30, 12)]
    seed.post("MO1", 30, counts[:1])
    seed.post("MO1", 12, counts[1:], state="parked")
    (order,) = (await client.get("/api/v1/orders")).json()
    assert (order["good"], order["posted"]) == (42, 30)
    outbox = (await client.get("/api/v1/outbox")).json()
    assert {(row["state"], row["quantity"]) for row in outbox["totals"]} == {("done", 30), ("parked", 12)}
    assert outbox["newest"][0]["state"] == "parked"
    seed.take_back("MO1", 4)
    assert (await client.get("/api/v1/orders")).json()[0]["posted"] == 26
