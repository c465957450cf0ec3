"""One target of notifications: a notice goes out as one message through apprise.

Delivery is at least once: no service can be asked whether it has a message, so one whose sending ended unclear is sent again. The
URL holds the secrets; it is never logged, and what apprise says is kept without the URL's parts.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import ClassVar, Final

import apprise

from bridge.config.settings import AppriseSettings
from bridge.erp.connector import Answer, Event, Found, Refusal, Step, cannot_carry
from bridge.erp.notify.secrets import hidden, secrets_of
from bridge.erp.one_way import OneWay
from bridge.errors import BusinessError, ConnectorError, CredentialsError, TransientError
from bridge.model.notice import Notice
from bridge.model.production import EventKind

_TYPES: Final = {
    "low": apprise.NotifyType.INFO,
    "medium": apprise.NotifyType.WARNING,
    "high": apprise.NotifyType.FAILURE,
    "critical": apprise.NotifyType.FAILURE,
}
_STATUS: Final = re.compile(r"error=(\d{3})\b")
_UNAUTHORIZED: Final = frozenset({401, 403})
_LATER: Final = frozenset({408, 425, 429})
_SAID: Final[ContextVar[list[str] | None]] = ContextVar("said by apprise", default=None)


class _Listener(logging.Handler):
    """Gives what apprise says to the message that it says it of: sending runs in a thread that has the task's context."""

    def emit(self, record: logging.LogRecord) -> None:
        if (said := _SAID.get()) is not None:
            said.append(record.getMessage())


def _listen() -> None:
    logger = logging.getLogger("apprise")
    if not any(isinstance(handler, _Listener) for handler in logger.handlers):
        logger.handlers = [_Listener()]
        logger.propagate = False  # it may name parts of the URL
        logger.setLevel(logging.WARNING)


class Apprise(OneWay):
    """Mail, chat, SMS or a webhook, as the URL says (see Connector for what each method promises)."""

    carries: ClassVar[EventKind] = EventKind.NOTICE
    system: ClassVar[str] = "a target of notifications"

    def __init__(self, settings: AppriseSettings) -> None:
        _listen()
        url = settings.url.get_secret_value()
        self._name = settings.name
        self._timeout_s = settings.timeout_s
        self._secrets = secrets_of(url)
        self._apprise = apprise.Apprise()
        self._is_usable = bool(self._apprise.add(url))

    async def plan(self, event: Event) -> Sequence[Step]:
        """One message."""
        if not isinstance(event, Notice):
            raise cannot_carry(self.system, event.kind, "name another connector for it")
        body = {"title": event.subject, "body": event.body, "severity": event.severity, "event": str(event.event_id)}
        return [Step("send", f"notify {self._name}", body, is_repeatable=True)]

    async def execute(self, step: Step) -> Answer:
        """Send it. What the service refuses for good is a BusinessError, a refused key a CredentialsError, the rest passes."""
        if not self._is_usable:
            raise CredentialsError(f"the url of {self._name} is none that apprise knows: mend it in the configuration")
        said: list[str] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                is_sent = await asyncio.to_thread(self._send, step, said)
        except TimeoutError:
            raise TransientError(f"{self._name} did not answer within {self._timeout_s:g} s") from None
        text = hidden("; ".join(said), self._secrets)
        if not is_sent:
            raise _failure(self._name, text)
        return Answer(200, text or "sent")

    def _send(self, step: Step, said: list[str]) -> bool:
        _SAID.set(said)
        body = step.body
        kind = _TYPES.get(str(body["severity"]), apprise.NotifyType.INFO)
        sent = self._apprise.notify(body=str(body["body"]), title=str(body["title"]), notify_type=kind)
        return bool(sent)

    async def verify(self, event: Event) -> Found:
        """The service took it: nobody can be asked for more."""
        if not isinstance(event, Notice):
            raise cannot_carry(self.system, event.kind, "name another connector for it")
        return Found(is_posted=True, external_id=str(event.event_id))


def _failure(name: str, text: str) -> ConnectorError:
    status = int(match[1]) if (match := _STATUS.search(text)) else 0
    message = f"{name} did not take the message: {text or 'no reason was given'}"
    if status in _UNAUTHORIZED:
        found: ConnectorError = CredentialsError(message)
    elif 400 <= status < 500 and status not in _LATER:
        found = BusinessError(message)
    else:
        found = TransientError(message)
    found.__cause__ = Refusal(status, text)
    return found
