"""The endpoint itself: templates filled and sent, answers judged by the description's rules and decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from bridge.config.settings.declarative import DeclarativeSettings
from bridge.erp.declarative.description import Description, FailureRule, RequestTemplate
from bridge.erp.declarative.documents import UnreadableError, at, is_met
from bridge.erp.declarative.protocols import Answered, GraphQl, JsonRpc, Rest, Wire, XmlRpc
from bridge.erp.declarative.template import Lookup, Placeholder, fill, fill_path, fill_xml
from bridge.erp.declarative.values import in_form
from bridge.erp.http import HttpClient, Kind, Reply, Request, Verdict, by_status, unreadable
from bridge.erp.http.csrf import CsrfToken
from bridge.erp.http.failure import failure
from bridge.errors import BusinessError, ConfigError, Problem

_KINDS: Final = {
    "transient": Kind.TRANSIENT,
    "own_fault": Kind.OWN_FAULT,
    "credentials": Kind.CREDENTIALS,
    "business": Kind.BUSINESS,
    "closed_period": Kind.CLOSED_PERIOD,
    "unknown": Kind.UNKNOWN,
    "posted": Kind.POSTED,
}
_SAID_BY_STATUS: Final = frozenset({401, 403, 408, 425, 429, 502, 503, 504})
_FIXED: Final = frozenset({"method", "document", "call"})


class Endpoint:
    """One described endpoint. `async with http` opens and closes its connections."""

    def __init__(self, settings: DeclarativeSettings, description: Description) -> None:
        self._description = description
        self._wire = wire(description, settings.file.name)
        accept = "application/xml, text/xml" if description.protocol in {"xml_rpc", "soap"} else "application/json"
        if description.answers == "xml":
            accept = "application/xml"
        csrf = CsrfToken(description.csrf_path.lstrip("/")) if description.csrf_path else None
        self.http = HttpClient(settings, self._judge, headers={"Accept": accept}, csrf=csrf)

    def request(self, template: RequestTemplate, lookup: Lookup, *, is_repeatable: bool) -> Request:
        """A filled request as it goes out. Raises BusinessError where a value has no such form, or does not fit the schema."""
        try:
            return self._wire.encode(_filled(template, lookup), is_repeatable=is_repeatable)
        except (ValueError, TypeError) as error:
            raise BusinessError(f"the request cannot be made of this event: {error}") from error

    def words(self, text: str, lookup: Lookup) -> str:
        """What a person is told."""
        return str(fill(text, lookup))

    def call(self, template: RequestTemplate) -> str:
        """How people and failures name a request whose address is not known yet."""
        if template.path is None:
            return f"POST {self._description.path}"
        return f"{template.method or 'GET'} {template.path.lstrip('/').partition('{')[0]}"

    async def ask(self, template: RequestTemplate, lookup: Lookup) -> Any:
        """The answer to a question, which may be asked again; a 404 is an answer: nothing."""
        request = self.request(template, lookup, is_repeatable=True)
        try:
            reply, value = await self.send(request)
        except BusinessError as error:
            if getattr(error.__cause__, "status", None) == httpx.codes.NOT_FOUND:
                return None
            raise
        if not reply.content.strip() and reply.status != httpx.codes.NO_CONTENT:
            raise unreadable(request, reply, "nothing, which does not say that nothing is there")
        return value

    async def send(self, request: Request) -> tuple[Reply, Any]:
        """The answer and the value in it; what the description or the protocol calls a failure is one, whatever its status."""
        reply = await self.http.send(request)
        try:
            answered = self._wire.decode(reply)
        except UnreadableError as error:
            raise unreadable(request, reply, f"something else: {error}") from error
        if verdict := self._verdict(reply, answered):
            raise failure(request, reply, verdict)
        return reply, answered.value

    def _judge(self, reply: Reply) -> Verdict:
        try:
            answered: Answered | None = self._wire.decode(reply)
        except UnreadableError:
            answered = None
        return self._verdict(reply, answered) or by_status(reply.status, None)

    def _verdict(self, reply: Reply, answered: Answered | None) -> Verdict | None:
        for rule in self._description.failure:
            if _fits(rule, reply.status, answered):
                says = at(answered.value, rule.says) if answered is not None and rule.says else None
                return Verdict(_KINDS[rule.means], str(says or (answered.says if answered else "")))
        if answered is None or not answered.failed or reply.status in _SAID_BY_STATUS:
            return None
        # A SOAP fault comes with 500, whoever is at fault; elsewhere 500 is the server's own.
        is_own = reply.status >= httpx.codes.INTERNAL_SERVER_ERROR and self._description.protocol != "soap"
        return Verdict(Kind.OWN_FAULT if is_own else answered.kind, answered.says)


def wire(description: Description, file: str) -> Wire:
    """The protocol. Raises ConfigError where the WSDL cannot be used, or lacks an operation."""
    match description.protocol:
        case "rest":
            return Rest(description.answers)
        case "json_rpc":
            return JsonRpc(description.path)
        case "xml_rpc":
            return XmlRpc(description.path)
        case "graphql":
            return GraphQl(description.path)
        case "soap":
            from bridge.erp.declarative.soap import Soap  # noqa: PLC0415  # zeep is slow to import, and few need it

            assert description.wsdl is not None
            try:
                return Soap(description.path, description.wsdl)
            except ValueError as error:
                raise ConfigError([Problem(file, 0, 0, "wsdl", str(error))]) from error


def lookup_in(known: Mapping[str, Any], zone: str) -> Lookup:
    """Placeholders from values; the description was checked, so that a missing one is a value that no answer gave."""

    def lookup(part: Placeholder) -> Any:
        return in_form(known.get(part.name), part, zone)

    return lookup


def _filled(template: RequestTemplate, lookup: Lookup) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, value in template.model_dump(exclude_unset=True).items():
        match name:
            case "path":
                filled[name] = fill_path(value, lookup)
            case "xml":
                filled[name] = fill_xml(value, lookup)
            case _ if name in _FIXED:
                filled[name] = value
            case _:
                filled[name] = fill(value, lookup)
    return filled


def _fits(rule: FailureRule, status: int, answered: Answered | None) -> bool:
    if rule.status and status not in rule.status:
        return False
    if rule.path is None:
        return bool(rule.status)
    return answered is not None and is_met(at(answered.value, rule.path), rule.is_one_of)
