"""Steps as requests: what is done already is a success, what Tryton answered as done and did not do is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.erp.connector import Answer, Refusal, Step
from bridge.erp.tryton82 import lots, output, performance
from bridge.erp.tryton82.client import TrytonClient
from bridge.erp.tryton82.lots import Lots
from bridge.erp.tryton82.order import Move
from bridge.erp.tryton82.start import CANCEL, DATE
from bridge.erp.tryton82.taking import TAKE, Taking, read_kind
from bridge.errors import BusinessError, TransientError

_REACHED: Final = {
    "assign_try": ("assigned", "running", "done"),
    "run": ("running", "done"),
    "do": ("done",),
    "cancel": ("cancelled",),
}
_MISSING: Final = ": its inputs are not all in stock, and what is there is reserved for it: book the stock that is there, then replay this event"
_THERE: Final = Answer(200, "already carried out")


class Requests:
    """Carries steps out. A transition that is refused because it happened already is a success."""

    def __init__(self, client: TrytonClient, known_lots: Lots) -> None:
        self._client = client
        self._lots = known_lots

    async def send(self, step: Step) -> Answer:
        """Raises UnknownOutcome where a step that is not repeatable may or may not have been taken."""
        match step.call:
            case _ if step.call == TAKE:
                return await self._take(Taking.from_json(step.body))
            case _ if step.call == CANCEL:
                return await self._cancel(step.body["moves"])
            case performance.MARK:
                domain = [[name, "=", step.body[name]] for name in ("resource", "message")]
                return (
                    _THERE
                    if await self._client.search("ir.note", domain, ["resource"], limit=1)
                    else await self._post(step)
                )
            case lots.CREATE:
                there = await lots.find_lot(self._client, int(step.body["product"]), str(step.body["number"]))
                return await self._post(step) if there is None else _THERE
        if step.name == output.CLOSE:
            await self._refuse_drafts(step)
        return await self._post(step)

    async def _take(self, taking: Taking) -> Answer:
        moves = await read_kind(self._client, taking)
        pending = taking.pending(moves)
        if any(move.is_reserved_first and move.state == "draft" for move in pending):
            await self._cancel([move.id for move in pending])
            raise BusinessError(
                f"Tryton could not reserve {taking.quantity} of {taking.item}: others have taken or reserved what was there; book the "
                "stock that is there, then replay this event"
            )
        answer = await self._each("do", pending)
        # What a request that came late entered a second time would hold stock for ever, or be carried out when the order closes.
        entered = [move for move in moves if move.is_reserved_first or move.is_waste]
        await self._cancel([move.id for move in entered if move.state != "done" and move not in pending])
        return answer

    async def _cancel(self, ids: Sequence[int]) -> Answer:
        """What of the moves is still to come; what somebody carried out meanwhile stays."""
        if not ids:
            return _THERE
        records = await self._client.search_all("stock.move", [["id", "in", list(ids)]], ["state"])
        answer = _THERE
        for record in records:
            if record["state"] not in ("done", "cancelled"):
                answer = await self._press(int(record["id"]), "cancel")
        return answer

    async def _each(self, button: str, moves: Sequence[Move]) -> Answer:
        answer = _THERE
        for move in moves:
            answer = await self._press(move.id, button)
        return answer

    async def _press(self, move: int, button: str) -> Answer:
        return await self._post(Step(button, f"POST stock.move/{move}/{button}", {}, is_repeatable=True))

    async def _post(self, step: Step) -> Answer:
        path, _, action = step.call.rpartition("/")
        states = _REACHED.get(action, ())
        if step.name == DATE:
            path, states = step.call, _REACHED["run"]
        body = await lots.with_lots(self._client, step.body)
        try:
            reply, record = await self._client.send(step.call, body, is_repeatable=step.is_repeatable)
        except BusinessError as error:
            if not states or await self._state(path) not in states:
                await self._refuse_stale(step, error)
                await self._explain(step, error)
                raise
            return Answer(400, _THERE.text)
        if not states or step.name == DATE:
            return Answer(reply.status, reply.text)
        state = record["state"] if "state" in record else await self._state(path)
        if state not in states:
            missing = _MISSING if action == "assign_try" else ""
            raise BusinessError(
                f"{step.call} was answered with success and left the state {state}{missing}"
            ) from Refusal(reply.status, reply.text)
        return Answer(reply.status, reply.text)

    async def _state(self, path: str) -> str:
        model, _, number = path.partition(" ")[2].partition("/")
        records = await self._client.search(model, [["id", "=", int(number)]], ["state"])
        return str(records[0]["state"]) if records else "missing"

    async def _refuse_stale(self, step: Step, error: BusinessError) -> None:
        """Raise TransientError where drafts that the step changes are none any more: a request that came late, or a person, was first.

        The request was refused as a whole; a new plan sees what is there now.
        """
        drafts = [number for command in step.body.get("outputs", []) if command[0] != "create" for number in command[1]]
        if not drafts:
            return
        domain = [["id", "in", drafts], ["state", "=", "draft"]]
        if len(await self._client.search_all("stock.move", domain, ["state"])) < len(drafts):
            raise TransientError(
                f"{step.call} was refused because the order's outputs have changed since they were read: {error}"
            ) from error.__cause__

    async def _explain(self, step: Step, error: BusinessError) -> None:
        """Raise an error that says what to do, where a move is refused for want of a lot."""
        path, _, button = step.call.rpartition("/")
        if button != "do" or not path.startswith("POST stock.move/") or not await self._lots.are_there():
            return
        domain = [["id", "=", int(path.rpartition("/")[2])]]
        [move] = await self._client.search("stock.move", domain, ["lot", "product.code", "product.lot_required"]) or [
            {}
        ]
        if move and not move["lot"] and move["product"]["lot_required"]:
            raise BusinessError(
                f"Tryton wants a lot of {move['product']['code']}, and the event has none: give this event its lot (amor outbox edit), "
                "then replay it"
            ) from error.__cause__

    async def _refuse_drafts(self, step: Step) -> None:
        """Closing an order carries out all its drafts: there must be none that no event knows."""
        number = int(step.call.split("/")[1])
        domain = [["production_output", "=", number], ["state", "in", ["draft", "assigned"]]]
        if drafts := await self._client.search("stock.move", domain, ["quantity"]):
            raise BusinessError(
                f"{step.call} would also post output moves that no event knows "
                f"({', '.join(str(draft['id']) for draft in drafts)}): delete them, then replay this event"
            )
