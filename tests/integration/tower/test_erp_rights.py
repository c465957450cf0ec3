"""Business systems by the API: who may read, who may change."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from tests.plant_seed import add_account

ORDER = "WH/MO/00017"
NOW = datetime.now(UTC)
CHANGES = [
    ("/api/v1/erp/events/{event}/edit", {"changes": {"lot": "L1"}, "reason": "r"}),
    ("/api/v1/erp/events/{event}/replay", {}),
    ("/api/v1/erp/events/{event}/settle", {"reason": "r"}),
    ("/api/v1/erp/events/{event}/dry-run", {}),
    ("/api/v1/erp/take-back", {"connector": "erp", "order": ORDER, "quantity": "1", "reason": "r", "key": "12345678"}),
    ("/api/v1/erp/events/{event}/take-back", {"reason": "r", "key": "12345678"}),
    ("/api/v1/erp/connectors/erp/stop", {"reason": "r"}),
    ("/api/v1/erp/connectors/erp/go", {"reason": "r"}),
    ("/api/v1/erp/connectors/erp/compare", {}),
    ("/api/v1/erp/connectors/erp/replay", {"reason": "r"}),
]


async def ok(answer: httpx.Response, status: int = 200) -> dict:
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize(("path", "body"), CHANGES, ids=[path for path, _ in CHANGES])
async def test_change_is_not_a_viewers(database_dsn, tower, connection, seed, event, path, body):
    await add_account(connection, "vera", "her long passphrase", "viewer")
    async with tower.client() as client:
        await tower.log_in(client, "vera", "her long passphrase")
        answer = await client.post(path.format(event=event), json=body)
        assert (await client.get("/api/v1/erp")).status_code == 200
        assert (await client.get(f"/api/v1/erp/events/{event}")).status_code == 200
    assert answer.status_code == 403
    assert seed.one("select count(*) from audit where action <> 'login'") == 0


@pytest.mark.parametrize(("path", "body"), CHANGES, ids=[path for path, _ in CHANGES])
async def test_change_comes_as_json_from_our_own_page_of_somebody_who_is_logged_in(
    tower, client, seed, event, path, body
):
    path = path.format(event=event)
    assert (await client.post(path, json=body, headers={"origin": "https://evil.example"})).status_code == 403
    assert (await client.post(path, data=body)).status_code == 415
    async with tower.client() as stranger:
        assert (await stranger.post(path, json=body)).status_code == 401
    assert seed.one("select count(*) from audit where action <> 'login'") == 0


async def test_stranger_reads_nothing(tower, event):
    async with tower.client() as stranger:
        for path in ("/api/v1/erp", f"/api/v1/erp/events/{event}", "/api/v1/erp/connectors/erp/comparison"):
            assert (await stranger.get(path)).status_code == 401


async def test_stranger_who_follows_a_link_to_an_event_comes_to_it_after_the_login(tower):
    async with tower.client() as stranger:
        answer = await stranger.get("/erp?event=17", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/erp%3Fevent%3D17")
