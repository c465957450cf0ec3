"""The webhook connector: every event is one signed message, and its id is the message's.

The receiver dedupes on `webhook-id` (Standard Webhooks 1.0), so a message can be sent again whenever an answer is unclear; 2xx
says that it was received. Where the receiver has a status address it is asked before and after.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import httpx

from bridge.config.settings.webhook import WebhookSettings
from bridge.erp.connector import Answer, Event, Found, MasterDataProblem, Refusal, Step, cannot_carry
from bridge.erp.http import HttpClient, OverHttp, Reply, Request, Verdict, by_status, from_step, segment, to_step
from bridge.erp.http.exchange import UNREADABLE
from bridge.erp.webhook import signature
from bridge.erp.webhook.envelope import MEDIA_TYPE, TYPES, envelope
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, Reversal, ShipmentStatus, WorkRequestState


class Webhook(OverHttp):
    """A receiver of Standard Webhooks (see Connector for what each method promises)."""

    kinds = frozenset(TYPES)
    not_asked = ("anything (a receiver of webhooks answers no questions)",)

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._secrets = [secret.get_secret_value() for secret in settings.secrets]
        self.http = HttpClient(settings, _judge, secrets=frozenset(self._secrets))

    async def lookup(self, event: Event) -> Found:
        """What the status address says; without one nothing is known, and sending again is what the contract is made for."""
        self._check(event)
        return await self._status(event) if self._settings.status_path else Found(is_posted=False)

    async def plan(self, event: Event) -> Sequence[Step]:
        """One message. Its signature is made when it is sent, because it carries the time."""
        self._check(event)
        if self._settings.status_path and (await self._status(event)).is_posted:
            return []
        body = json.dumps(envelope(event, self._settings.source), ensure_ascii=False, separators=(",", ":"))
        headers = {"Content-Type": MEDIA_TYPE, "webhook-id": str(event.event_id)}
        request = Request("POST", self._settings.url, is_repeatable=True, headers=headers, content=body.encode())
        return [to_step(f"send {event.kind}", request)]

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """A message like any other."""
        return await self.plan(event)

    async def execute(self, step: Step) -> Answer:
        """Sign and send."""
        request = from_step(step)
        signed = signature.headers(
            request.headers["webhook-id"], datetime.now(UTC), request.content or b"", self._secrets
        )
        reply = await self.http.send(replace(request, headers={**request.headers, **signed}))
        return Answer(reply.status, reply.text)

    async def verify(self, event: Event) -> Found:
        """What the status address says; without one the 2xx that came was the receiver's word."""
        if self._settings.status_path:
            return await self._status(event)
        return Found(is_posted=True, external_id=str(event.event_id))

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """A receiver tells nothing by itself."""
        return []

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """A receiver tells nothing by itself."""
        return []

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """A receiver tells nothing by itself."""
        return []

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Our names go out as they are: there is nothing to compare."""
        return []

    def _check(self, event: Event) -> None:
        if event.kind not in self.kinds:
            raise cannot_carry("a webhook", event.kind, "send it through the connector that it is meant for")

    async def _status(self, event: Event) -> Found:
        path = self._settings.status_path.replace("{id}", segment(str(event.event_id))).lstrip("/")
        try:
            reply = await self.http.send(Request("GET", path, is_repeatable=True))
        except BusinessError as error:
            if isinstance(error.__cause__, Refusal) and error.__cause__.status == httpx.codes.NOT_FOUND:
                return Found(is_posted=False)
            raise
        return Found(is_posted=True, external_id=_id_in(reply) or str(event.event_id))


def _judge(reply: Reply) -> Verdict:
    """By status alone: 410 says that nobody wants these any more; what 5xx leaves open is sent again, which is harmless."""
    return by_status(reply.status, None)


def _id_in(reply: Reply) -> str:
    try:
        answer = reply.json()
    except UNREADABLE:
        return ""
    return str(answer.get("id", "")) if isinstance(answer, dict) else ""
