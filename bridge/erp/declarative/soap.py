"""SOAP 1.1 and 1.2 by zeep, from a WSDL on this machine; nothing is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import zeep
import zeep.exceptions
from lxml import etree  # type: ignore[import-untyped]  # it has none
from zeep.transports import Transport
from zeep.wsdl.bindings.soap import Soap12Binding

from bridge.erp.declarative.documents import UnreadableError, from_xml
from bridge.erp.declarative.protocols import Answered
from bridge.erp.http import Kind, Reply, Request
from bridge.errors import BusinessError

_SERVER: Final = frozenset({"Server", "Receiver"})


class _Offline(Transport):
    """Imports of schemas are files beside the WSDL, or refused."""

    def load(self, url: str) -> bytes:
        if urlsplit(url).scheme not in {"", "file"}:
            raise OSError(f"{url} is not fetched: save it beside the WSDL and import it as a file")
        content: bytes = super().load(url)  # type: ignore[no-untyped-call]  # zeep has few types
        return content


class Soap:
    """The first port of the WSDL that speaks SOAP. Raises ValueError where the WSDL cannot be used."""

    def __init__(self, path: str, wsdl: Path) -> None:
        self._path = path
        try:
            self._client = zeep.Client(str(wsdl), transport=_Offline())  # type: ignore[no-untyped-call]  # zeep has few types
            self._binding = self._client.service._binding  # noqa: SLF001  # zeep shows operations nowhere else
        except (OSError, ValueError, zeep.exceptions.Error, etree.LxmlError, AttributeError) as error:
            raise ValueError(f"the WSDL {wsdl} cannot be used: {error}") from error

    def operations(self) -> frozenset[str]:
        """Their names."""
        return frozenset(self._binding._operations)  # noqa: SLF001

    def encode(self, filled: Mapping[str, Any], *, is_repeatable: bool) -> Request:
        """The envelope. Raises BusinessError where the values do not fit the schema."""
        name, params = filled["call"], filled.get("params", {})
        try:
            envelope, headers = self._binding._create(name, (), dict(params), client=self._client)  # noqa: SLF001
            content = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
        except (zeep.exceptions.Error, TypeError, ValueError, KeyError) as error:
            raise BusinessError(f"the values do not fit the operation {name}: {error}") from error
        return Request("POST", self._path, is_repeatable, headers=self._media_type(headers), content=content)

    def decode(self, reply: Reply) -> Answered:
        """What is in the body's one element, or the fault."""
        name, envelope = from_xml(reply.content)
        body = envelope.get("Body") if name == "Envelope" and isinstance(envelope, dict) else None
        if not isinstance(body, dict):
            raise UnreadableError("no SOAP envelope")
        (inner,) = [value for key, value in body.items() if not key.startswith("@")][:1] or [None]
        if "Fault" in body:
            fault = body["Fault"] if isinstance(body["Fault"], dict) else {}
            return _fault(fault)
        return Answered(inner if isinstance(inner, dict) else {"value": inner})

    def _media_type(self, headers: Mapping[str, str]) -> dict[str, str]:
        if isinstance(self._binding, Soap12Binding):
            return dict(headers)
        return {"Content-Type": "text/xml; charset=utf-8", **headers}


def _fault(fault: Mapping[str, Any]) -> Answered:
    """SOAP 1.1 has faultcode and faultstring, 1.2 Code/Value and Reason/Text."""
    code = fault.get("faultcode") or (fault.get("Code") or {}).get("Value") or ""
    reason = fault.get("faultstring") or (fault.get("Reason") or {}).get("Text") or ""
    code = code.get("#text", "") if isinstance(code, dict) else code
    reason = reason.get("#text", "") if isinstance(reason, dict) else reason
    kind = Kind.OWN_FAULT if str(code).rpartition(":")[2] in _SERVER else Kind.BUSINESS
    found = {"fault": {**fault, "code": str(code), "string": str(reason)}}
    return Answered(found, failed=True, kind=kind, says=str(reason))
