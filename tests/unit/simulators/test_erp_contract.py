"""The simulated ERP behaves as Odoo 19's External JSON-2 API was seen to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.erp import trade
from simulators.erp.failures import Failure, Failures
from simulators.erp.http import Erp, NoAnswerError, build_app
from simulators.erp.store import Store

NOW = datetime(2026, 11, 21, 3, 20, 54, tzinfo=UTC)
SPLIT = {"skip_backorder": True, "mo_ids_to_backorder": [1], "skip_redirection": True}


class Client:
    """Calls the ERP in process."""

    def __init__(self, erp: Erp) -> None:
        self.erp = erp
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(build_app(erp)), base_url="http://erp")

    async def answer(self, call: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        allowed = {"Authorization": "bearer key", "X-Odoo-Database": "acme"}
        return await self._http.post(f"/json/2/{call}", json=body, headers=allowed | (headers or {}))

    async def call(self, call: str, **body: Any) -> Any:
        answer = await self.answer(call, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def produce(self, order: int, quantity: float, **context: Any) -> Any:
        await self.call("mrp.production/write", ids=[order], vals={"qty_producing": quantity})
        await self.call("mrp.production/set_qty_producing", ids=[order])
        return await self.call("mrp.production/button_mark_done", ids=[order], context=context)

    async def orders(self, origin: str) -> list[dict[str, Any]]:
        fields = ["name", "state", "product_qty", "qty_produced"]
        return await self.call("mrp.production/search_read", domain=[["origin", "=", origin]], fields=fields)

    def fail(self, mode: Any, match: str = "", seconds: float = 0.0) -> None:
        self.erp.failures.order(Failure(mode, 1, match, seconds))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def open_erp(folder: Path) -> Erp:
    store = Store(folder / "erp.sqlite")
    with store.transaction():
        trade.found(store, 7, 3, (20, 20), NOW)
    return Erp(store, Failures(7), "key", "acme", lambda: NOW)


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[Client]:
    client = Client(open_erp(folder))
    yield client
    client.erp.store.close()


async def test_a_wrong_key_is_401(client: Client) -> None:
    answer = await client.answer("mrp.production/search_read", {"Authorization": "bearer wrong"})
    assert answer.status_code == 401
    assert set(answer.json()) == {"name", "message", "arguments", "context", "debug"}


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        ("no.model/read", {}, 404),
        ("mrp.production/no_method", {}, 404),
        ("mrp.production/_private", {}, 403),
        ("mrp.production/write", {"ids": [999], "vals": {"qty_producing": 1}}, 404),
        ("mrp.production/write", {"ids": [1]}, 422),
        ("mrp.production/read", {"ids": [1], "unknown_argument": 1}, 422),
        ("mrp.production/read", {"ids": [1], "fields": ["no_field"]}, 500),
        ("mrp.production/search_read", {"domain": [["no_field", "=", 1]]}, 500),
        ("maintenance.request/create", {"vals_list": [{"no_field": 1}]}, 500),
    ],
)
async def test_mistakes_have_their_status(client: Client, call: str, body: dict[str, Any], status: int) -> None:
    answer = await client.answer(call, **body)
    assert answer.status_code == status
    assert answer.json()["message"]


async def test_another_database_is_404(client: Client) -> None:
    assert (await client.answer("mrp.production/read", {"X-Odoo-Database": "other"})).status_code == 404


async def test_reading_a_missing_id_gives_an_empty_list(client: Client) -> None:
    assert await client.call("mrp.production/read", ids=[999], fields=["name"]) == []


async def test_a_part_without_context_answers_a_wizard_and_leaves_the_order_open(client: Client) -> None:
    answer = await client.produce(1, 6)
    assert answer["res_model"] == "mrp.production.backorder"
    assert [order["state"] for order in await client.orders("MES-0001")] == ["progress"]
    assert client.erp.truth()["good_posted"] == 0


async def test_a_part_with_context_renames_the_order_and_makes_a_backorder_of_the_same_origin(client: Client) -> None:
    assert await client.produce(1, 6, **SPLIT) is True
    done, rest = await client.orders("MES-0001")
    assert (done["name"], done["state"], done["qty_produced"]) == ("WH/MO/00001-001", "done", 6.0)
    assert (rest["name"], rest["state"], rest["product_qty"]) == ("WH/MO/00001-002", "confirmed", 14.0)


async def test_parts_of_an_order_sum_in_the_ledger(client: Client) -> None:
    await client.produce(1, 6, **SPLIT)
    rest = (await client.orders("MES-0001"))[1]["id"]
    await client.produce(rest, 4, **{**SPLIT, "mo_ids_to_backorder": [rest]})
    last = (await client.orders("MES-0001"))[2]
    assert last["name"] == "WH/MO/00001-003"
    await client.produce(last["id"], 10)
    truth = client.erp.truth()
    assert truth["good_posted_by_origin"] == {"MES-0001": 20}
    assert truth["postings_by_origin"] == {"MES-0001": 3}
    assert {order["state"] for order in await client.orders("MES-0001")} == {"done"}


async def test_marking_a_done_order_again_posts_nothing(client: Client) -> None:
    await client.produce(1, 20)
    await client.call("mrp.production/button_mark_done", ids=[1])
    assert client.erp.truth()["good_posted"] == 20


async def bars(client: Client) -> float:
    [stock] = await client.call("product.product/read", ids=[3], fields=["qty_available"], context={"location": 5})
    return float(stock["qty_available"])


async def components(client: Client, order: int) -> list[dict[str, Any]]:
    domain = [["raw_material_production_id", "=", order]]
    return await client.call(
        "stock.move/search_read", domain=domain, fields=["quantity", "picked", "state"], order="id"
    )


async def test_components_fall_below_zero_silently(client: Client) -> None:
    await client.produce(1, 6000)
    assert await bars(client) == -1000


async def test_more_than_is_in_stock_is_scrapped_only_by_a_person(client: Client) -> None:
    scrap = await client.call("stock.scrap/create", vals_list=[{"product_id": 3, "scrap_qty": 5001, "location_id": 5}])
    asked = await client.call("stock.scrap/action_validate", ids=scrap)
    assert asked["res_model"] == "stock.warn.insufficient.qty.scrap"
    assert await bars(client) == 5000


async def test_components_are_reserved_then_picked_by_the_share_of_the_bill_of_materials(client: Client) -> None:
    assert [move["quantity"] for move in await components(client, 1)] == [20.0, 20.0]
    await client.call("mrp.production/write", ids=[1], vals={"qty_producing": 6})
    assert await client.call("mrp.production/set_qty_producing", ids=[1]) is None
    assert [(move["quantity"], move["picked"]) for move in await components(client, 1)] == [(6.0, True), (6.0, True)]


async def test_component_picked_by_hand_is_overwritten_unless_it_is_one_of_manual_consumption(client: Client) -> None:
    by_share, by_hand = [move["id"] for move in await components(client, 1)]
    await client.call("stock.move/write", ids=[by_share], vals={"quantity": 9, "picked": True})
    manual = {"quantity": 9, "picked": True, "manual_consumption": True}
    await client.call("stock.move/write", ids=[by_hand], vals=manual)
    assert await client.produce(1, 6, **SPLIT, skip_consumption=True) is True
    assert [move["quantity"] for move in await components(client, 1)] == [6.0, 9.0]
    assert [move["quantity"] for move in await components(client, 7)] == [14.0, 14.0], "a backorder begins anew"


async def test_other_consumption_than_the_bill_of_materials_is_asked_about(client: Client) -> None:
    [first, _] = await components(client, 1)
    manual = {"quantity": 9, "picked": True, "manual_consumption": True}
    await client.call("stock.move/write", ids=[first["id"]], vals=manual)
    assert (await client.produce(1, 6, **SPLIT))["res_model"] == "mrp.consumption.warning"


async def test_quantity_of_a_done_component_corrects_the_stock_and_that_of_a_cancelled_one_is_refused(
    client: Client,
) -> None:
    first, second = [move["id"] for move in await components(client, 1)]
    await client.call(
        "stock.move/write", ids=[second], vals={"quantity": 0, "picked": True, "manual_consumption": True}
    )
    await client.produce(1, 20, skip_consumption=True)
    assert [move["state"] for move in await components(client, 1)] == ["done", "cancel"]
    await client.call("stock.move/write", ids=[first], vals={"quantity": 23})
    assert await bars(client) == 5000 - 23
    assert (await client.answer("stock.move/write", ids=[second], vals={"quantity": 1})).status_code == 422


async def test_quantity_of_a_done_order_can_be_written_and_corrects_the_stock(client: Client) -> None:
    await client.produce(1, 6, **SPLIT)
    await client.call("mrp.production/write", ids=[1], vals={"qty_producing": 6})
    assert client.erp.truth()["good_posted"] == 6
    await client.call("mrp.production/write", ids=[1], vals={"qty_producing": 5})
    assert client.erp.truth()["good_posted"] == 5


async def test_completing_a_part_again_is_refused(client: Client) -> None:
    await client.produce(1, 6, **SPLIT)
    again = await client.answer("mrp.production/button_mark_done", ids=[1], context=SPLIT)
    assert again.status_code == 422
    assert client.erp.truth()["good_posted"] == 6


async def test_lot_is_unique_by_product_and_made_up_where_nobody_names_one(client: Client) -> None:
    client.erp.store.update("product.product", 1, {"tracking": "lot"}, NOW)
    await client.call("stock.lot/create", vals_list=[{"name": "L-1", "product_id": 1}])
    again = await client.answer("stock.lot/create", vals_list=[{"name": "L-1", "product_id": 1}])
    assert again.status_code == 422
    await client.produce(1, 20)
    [order] = await client.call("mrp.production/read", ids=[1], fields=["lot_producing_ids"])
    assert order["lot_producing_ids"] == [2]


async def test_validating_a_done_scrap_posts_it_again(client: Client) -> None:
    scrap = await client.call("stock.scrap/create", vals_list=[{"product_id": 1, "scrap_qty": 2, "origin": "MES-0001"}])
    await client.call("stock.scrap/action_validate", ids=scrap)
    await client.call("stock.scrap/action_validate", ids=scrap)
    assert client.erp.truth()["scrap_posted"] == 4


async def test_an_order_goes_from_draft_to_confirmed(client: Client) -> None:
    values = {"product_id": 1, "product_qty": 10, "bom_id": 1, "origin": "MES-X"}
    order = await client.call("mrp.production/create", vals_list=[values])
    await client.call("mrp.production/action_confirm", ids=order)
    await client.call("mrp.production/action_assign", ids=order)
    assert [row["state"] for row in await client.orders("MES-X")] == ["confirmed"]


async def test_a_draft_is_completed_and_a_cancelled_order_is_done_with_nothing_made(client: Client) -> None:
    values = {"product_id": 1, "product_qty": 10, "bom_id": 1}
    orders = [{**values, "origin": "MES-D"}, {**values, "origin": "MES-C"}]
    draft, cancelled = await client.call("mrp.production/create", vals_list=orders)
    await client.call("mrp.production/action_cancel", ids=[cancelled])
    assert await client.call("mrp.production/button_mark_done", ids=[draft, cancelled]) is True
    assert [row["state"] for row in await client.orders("MES-D")] == ["done"]
    assert [row["state"] for row in await client.orders("MES-C")] == ["done"]
    assert client.erp.truth()["good_posted_by_origin"] == {"MES-D": 10}


TRANSFER = {"id": "x.back", "picking_type_id/.id": "3", "location_id/.id": "9", "location_dest_id/.id": "5"}
MOVE = {"id": "x.move", "picking_id/id": "x.back", "product_id/.id": "3", "product_uom/.id": "1", "product_uom_qty": "2.5",
        "location_id/.id": "9", "location_dest_id/.id": "5"}  # fmt: skip


async def test_rows_are_imported_whole_or_not_at_all_and_what_was_wrong_is_said_with_200(client: Client) -> None:
    async def load(model: str, *rows: dict[str, str]) -> Any:
        return await client.call(f"{model}/load", fields=list(rows[0]), data=[list(row.values()) for row in rows])

    missing = await load("stock.move", MOVE, {**MOVE, "id": "x.other"})
    assert missing["ids"] is False
    assert "No matching record found for external id 'x.back'" in missing["messages"][0]["message"]
    wrong = await load("stock.picking", TRANSFER, {**TRANSFER, "id": "x.other", "location_id/.id": "999"})
    assert (wrong["ids"], await client.call("stock.picking/search_count", domain=[["location_id", "=", 9]])) == (
        False,
        0,
    )
    first, again = await load("stock.picking", TRANSFER), await load("stock.picking", TRANSFER)
    assert first["ids"] == again["ids"]


async def test_a_transfer_is_carried_out_once_and_is_closed_then(client: Client) -> None:
    async def load(model: str, row: dict[str, str]) -> Any:
        return await client.call(f"{model}/load", fields=list(row), data=[list(row.values())])

    [picking] = (await load("stock.picking", TRANSFER))["ids"]
    assert "empty transfer" in (await client.answer("stock.picking/button_validate", ids=[picking])).json()["message"]
    await load("stock.move", MOVE)
    before = client.erp.store.on_hand(3, 5)
    for _ in range(2):
        assert await client.call("stock.picking/button_validate", ids=[picking]) is True
    assert client.erp.store.on_hand(3, 5) == before + 2.5
    for model, row, told in (("stock.picking", TRANSFER, "operation type"), ("stock.move", MOVE, "UoM")):
        refused = await load(model, row)
        assert refused["ids"] is False
        assert told in refused["messages"][0]["message"]
    assert (await client.answer("stock.picking/unlink", ids=[picking])).status_code == 422


async def test_requests_name_their_equipment_by_its_path(client: Client) -> None:
    path = "acme/dortmund/machining/line1/cnc1"
    machines = await client.call(
        "maintenance.equipment/search_read", domain=[["serial_no", "=", path]], fields=["name"]
    )
    values = {"name": "vibration", "equipment_id": machines[0]["id"], "maintenance_type": "corrective", "priority": "3"}
    await client.call("maintenance.request/create", vals_list=[values])
    assert [request["equipment"] for request in client.erp.truth()["maintenance_requests"]] == [path]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ([["origin", "in", ["MES-0001", "MES-0004"]]], [1, 4]),
        (["|", ["id", "=", 1], ["id", "=", 2]], [1, 2]),
        (["!", ["id", ">", 2]], [1, 2]),
        ([["id", ">", 2], ["id", "<=", 4]], [3, 4]),
        (["&", ["id", ">=", 5], "|", ["id", "=", 5], ["id", "=", 1]], [5]),
        ([["picking_type_id", "ilike", "LINE2"]], [2, 4, 6]),
        ([["picking_type_id", "=", 11]], [1, 3, 5]),
        ([["origin", "like", "mes"]], []),
        ([["date_finished", "=", False]], [1, 2, 3, 4, 5, 6]),
        ([["date_finished", ">", "2026-01-01 00:00:00"]], []),
        ([["name", "!=", "WH/MO/00001"], ["id", "<", 3]], [2]),
    ],
)
async def test_domains_select(client: Client, domain: list[Any], expected: list[int]) -> None:
    rows = await client.call("mrp.production/search_read", domain=domain, fields=["id"], order="id")
    assert [row["id"] for row in rows] == expected


async def test_limit_offset_and_order_page_through_records(client: Client) -> None:
    rows = await client.call("mrp.production/search_read", domain=[], fields=[], order="id desc", limit=2, offset=1)
    assert [row["id"] for row in rows] == [5, 4]


async def test_sixty_shipments_of_thirty_days_have_lead_times_of_one_to_twelve_days(client: Client) -> None:
    fields = ["create_date", "date_done", "date_deadline"]
    done = await client.call("stock.picking/search_read", domain=[["state", "=", "done"]], fields=fields)
    days = [
        (datetime.fromisoformat(row["date_done"]) - datetime.fromisoformat(row["create_date"])).total_seconds() / 86400
        for row in done
    ]
    assert len(days) == 60
    assert 1 <= min(days) < 3
    assert 6 < max(days) <= 12
    assert 0 < sum(row["date_done"] > row["date_deadline"] for row in done) < 30


async def test_everything_is_kept_over_a_restart(client: Client, folder: Path) -> None:
    await client.produce(1, 6, **SPLIT)
    again = open_erp(folder)
    assert again.truth()["good_posted_by_origin"] == {"MES-0001": 6}
    assert len(again.store.rows("mrp.production")) == 7
    again.store.close()


async def test_a_call_that_fails_in_the_middle_changes_nothing(client: Client) -> None:
    answer = await client.answer("mrp.production/write", ids=[1, 999], vals={"qty_producing": 3})
    assert answer.status_code == 404
    assert (await client.call("mrp.production/read", ids=[1], fields=["qty_producing"]))[0]["qty_producing"] == 0


@pytest.mark.parametrize(("mode", "status"), [("500", 500), ("429", 429)])
async def test_a_refused_posting_writes_nothing(client: Client, mode: str, status: int) -> None:
    client.fail(mode, "create", 3)
    answer = await client.answer("stock.scrap/create", vals_list=[{"product_id": 1}])
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("3" if mode == "429" else None)
    assert client.erp.store.rows("stock.scrap") == []


@pytest.mark.parametrize(
    ("mode", "written"), [("timeout_before_commit", 0), ("timeout_after_commit", 1), ("drop_after_commit", 1)]
)
async def test_an_answer_that_never_comes_may_have_been_written(client: Client, mode: str, written: int) -> None:
    client.fail(mode, "stock.scrap/create")
    with pytest.raises(NoAnswerError):
        await client.answer("stock.scrap/create", vals_list=[{"product_id": 1}])
    assert len(client.erp.store.rows("stock.scrap")) == written
    assert client.erp.truth()["failures_applied"] == {mode: 1}


async def test_a_failure_waits_for_the_request_that_it_matches(client: Client) -> None:
    client.fail("500", "button_mark_done")
    await client.orders("MES-0001")
    assert (await client.answer("mrp.production/button_mark_done", ids=[1])).status_code == 500
    assert (await client.answer("mrp.production/button_mark_done", ids=[1])).status_code == 200


async def test_random_failures_hit_posting_calls_only_and_repeat_with_the_seed() -> None:
    def drawn() -> list[str | None]:
        failures = Failures(7, 0.3)
        taken = [failures.take("a/create", posts=True) for _ in range(200)]
        assert failures.take("a/read", posts=False) is None
        return [failure.mode if failure else None for failure in taken]

    assert drawn() == drawn()
    assert set(drawn()) == {
        None,
        "500",
        "429",
        "timeout_before_commit",
        "timeout_after_commit",
        "drop_after_commit",
        "slow",
    }
