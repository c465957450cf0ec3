"""Writes to tags: each is checked against the configuration once more, carried out, and read back where that can be.

Writing the same value twice is writing it once, so that an unclear attempt is repeated. A write that is too old is not carried out
at all: the machine has moved on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from bridge.config.settings import TagWriteSettings
from bridge.erp.connector import Answer, Event, Found, Step, cannot_carry
from bridge.erp.one_way import OneWay
from bridge.erp.tag_write import mqtt, opcua
from bridge.errors import BusinessError
from bridge.model.notice import TagWrite
from bridge.model.production import EventKind


class TagWriter(OneWay):
    """Values for tags of machines (see Connector for what each method promises)."""

    carries: ClassVar[EventKind] = EventKind.TAG_WRITE
    system: ClassVar[str] = "a tag of a machine"

    def __init__(self, settings: TagWriteSettings) -> None:
        self._settings = settings
        self._is_opcua = settings.url.startswith("opc.tcp")

    async def plan(self, event: Event) -> Sequence[Step]:
        """One write. Raises BusinessError where the configuration does not allow it, or it is too old."""
        if not isinstance(event, TagWrite):
            raise cannot_carry(self.system, event.kind, "name another connector for it")
        refused = self._settings.refuses(event.equipment, event.tag, event.value)
        table = self._settings.find(event.equipment, event.tag)
        if refused or table is None:
            raise BusinessError(f"not written: {refused}")
        self._refuse_old(event.occurred_at)
        body = {"value": event.value, "asked_at": event.occurred_at.isoformat()}
        if self._is_opcua:
            body["node"] = opcua.node_of(table, event)
            return [Step("write", f"opcua write {body['node']}", body, is_repeatable=True)]
        body |= mqtt.message_of(table, event)
        return [Step("write", f"mqtt publish {body['topic']}", body, is_repeatable=True)]

    async def execute(self, step: Step) -> Answer:
        """Carry it out and read it back. Raises BusinessError where the machine says another value afterwards."""
        self._refuse_old(datetime.fromisoformat(step.body["asked_at"]))
        if self._is_opcua:
            return Answer(0, await opcua.write(self._settings, step.body))
        return Answer(0, await mqtt.write(self._settings, step.body))

    async def verify(self, event: Event) -> Found:
        """The last step said what was read back, or failed."""
        if not isinstance(event, TagWrite):
            raise cannot_carry(self.system, event.kind, "name another connector for it")
        return Found(is_posted=True, external_id=str(event.event_id))

    def _refuse_old(self, asked_at: datetime) -> None:
        age = datetime.now(UTC) - asked_at
        if age > self._settings.expires:
            raise BusinessError(
                f"not written: it was asked for {age.total_seconds():.0f} s ago, and such a write expires after"
                f" {self._settings.expires.total_seconds():g} s"
            )
