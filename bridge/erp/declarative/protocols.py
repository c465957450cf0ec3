"""The five protocols: a filled request as HTTP, and what is in an answer.

What an answer says beyond its status (a JSON-RPC error, an XML-RPC or SOAP fault, GraphQL's errors) is `failed`; `value` is
what paths lead into.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol
from urllib.parse import urlencode
from xml.parsers.expat import ExpatError

from bridge.erp.declarative.documents import UnreadableError, from_xml
from bridge.erp.declarative.template import xml_text
from bridge.erp.http import Kind, Reply, Request
from bridge.erp.http.exchange import UNREADABLE
from bridge.model.text import storable

# JSON-RPC 2.0, 5.1: the server failed inside.
_INTERNAL: Final = -32603
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer. `failed`: the system's own document says that it did not do it, and by default means `kind`."""

    value: Any
    failed: bool = False
    kind: Kind = Kind.BUSINESS
    says: str = ""


class Wire(Protocol):
    """One protocol."""

    def encode(self, filled: Mapping[str, Any], *, is_repeatable: bool) -> Request:
        """A filled request as HTTP."""
        ...

    def decode(self, reply: Reply) -> Answered:
        """What an answer says. Raises UnreadableError where it is none of the protocol's."""
        ...


class Rest:
    """Any address with any method; JSON, a form or an XML document go in, JSON or XML comes out."""

    def __init__(self, answers: str) -> None:
        self._answers = answers

    def encode(self, filled: Mapping[str, Any], *, is_repeatable: bool) -> Request:
        """With the media type of the body."""
        body, headers = None, dict(filled.get("headers", {}))
        if filled.get("form"):
            body, headers = (
                urlencode(filled["form"]).encode(),
                {"Content-Type": "application/x-www-form-urlencoded"} | headers,
            )
        elif filled.get("xml") is not None:
            body, headers = filled["xml"].encode(), {"Content-Type": "application/xml; charset=utf-8"} | headers
        headers = {name: _header(name, str(value)) for name, value in headers.items()}
        method = filled.get("method") or "GET"
        query = {name: str(value) for name, value in filled.get("query", {}).items()}
        return Request(method, filled["path"].lstrip("/"), is_repeatable, query, headers, filled.get("body"), body)

    def decode(self, reply: Reply) -> Answered:
        """Nothing is an answer too; a bare word or null is what a proxy says."""
        if not reply.content.strip():
            return Answered({})
        value = _json(reply) if self._answers == "json" else from_xml(reply.content)[1]
        if not isinstance(value, dict | list):
            raise UnreadableError(f"{str(value)[:40]!r} is no document")
        return Answered(value)


class JsonRpc:
    """JSON-RPC 2.0 over POST."""

    def __init__(self, path: str) -> None:
        self._path = path

    def encode(self, filled: Mapping[str, Any], *, is_repeatable: bool) -> Request:
        """The id is always 1: one request, one answer."""
        call = {"jsonrpc": "2.0", "id": 1, "method": filled["call"], "params": filled.get("params", {})}
        return Request("POST", self._path, is_repeatable, json=call)

    def decode(self, reply: Reply) -> Answered:
        """`result`, or `error` as the failure."""
        answer = _json(reply)
        if not isinstance(answer, dict) or not {"result", "error"} & answer.keys():
            raise UnreadableError("no JSON-RPC response")
        error = answer.get("error")
        if error is None:
            return Answered(answer.get("result"))
        code, says = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
        return Answered(
            answer, failed=True, kind=Kind.OWN_FAULT if code == _INTERNAL else Kind.BUSINESS, says=str(says)
        )


class XmlRpc:
    """XML-RPC, marshalled by the standard library."""

    def __init__(self, path: str) -> None:
        self._path = path

    def encode(self, filled: Mapping[str, Any], *, is_repeatable: bool) -> Request:
        """Parameters by place, or one struct."""
        params = filled.get("params", [])
        values = tuple(params) if isinstance(params, list) else (params,)
        marshalled = xml_text(xmlrpc.client.dumps(values, filled["call"]))
        return Request(
            "POST", self._path, is_repeatable, headers={"Content-Type": "text/xml"}, content=marshalled.encode()
        )

    def decode(self, reply: Reply) -> Answered:
        """The one value, or the fault."""
        from_xml(reply.content)  # refuses what its parser would follow
        try:
            values, _ = xmlrpc.client.loads(reply.content, use_builtin_types=True)
        except xmlrpc.client.Fault as fault:
            found = {"fault": {"code": fault.faultCode, "string": storable(str(fault.faultString))}}
            return Answered(found, failed=True, says=storable(str(fault.faultString)))
        except (*UNREADABLE, xmlrpc.client.Error, ExpatError, TypeError, AttributeError, IndexError) as error:
            raise UnreadableError(f"no XML-RPC response: {error}") from error
        return Answered(_exact(values[0]) if values else None)


class GraphQl:
    """GraphQL over HTTP, POST with JSON. Values are variables, never parts of the document."""

    def __init__(self, path: str) -> None:
        self._path = path

    def encode(self, filled: Mapping[str, Any], *, is_repeatable: bool) -> Request:
        """Document and variables."""
        body = {"query": filled["document"], "variables": filled.get("params", {})}
        return Request("POST", self._path, is_repeatable, headers=_JSON, json=body)

    def decode(self, reply: Reply) -> Answered:
        """`data`, or `errors` as the failure; a part of the data beside errors is no success."""
        answer = _json(reply)
        if not isinstance(answer, dict) or not {"data", "errors"} & answer.keys():
            raise UnreadableError("no GraphQL response")
        if errors := answer.get("errors"):
            texts = [str(error.get("message", "")) for error in errors if isinstance(error, dict)]
            return Answered(answer, failed=True, says="; ".join(texts))
        return Answered(answer.get("data"))


def _header(name: str, text: str) -> str:
    """The text itself. Raises ValueError where a header cannot carry it (RFC 9110, 5.5): it would end it, or not go out at all."""
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError(
            f"the header {name} cannot carry {text[:40]!r}: it takes ASCII on one line; put it into the body"
        )
    return text


def _exact(value: Any) -> Any:
    """A value of XML-RPC as JSON would have it: a double as the shortest decimal that it is, times and bytes as text."""
    if isinstance(value, list):
        return [_exact(part) for part in value]
    if isinstance(value, dict):
        return {storable(name): _exact(part) for name, part in value.items()}
    turns: dict[type, Callable[[Any], Any]] = {
        float: lambda number: Decimal(repr(number)),
        datetime: datetime.isoformat,
        bytes: lambda content: storable(content.decode("utf-8", "backslashreplace")),
        str: storable,
    }
    return turns.get(type(value), lambda same: same)(value)


def _json(reply: Reply) -> Any:
    try:
        return reply.json()
    except UNREADABLE as error:
        raise UnreadableError(f"no JSON: {error}") from error
