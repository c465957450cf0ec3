"""The same operations five times: `/rest/...`, `/jsonrpc`, `/xmlrpc`, `/soap`, `/graphql`."""

from __future__ import annotations

import re
import xmlrpc.client
from collections.abc import Callable
from typing import Any, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.systems.business import Business, RefusedError
from simulators.systems.generic.operations import OPERATIONS, Operations
from simulators.systems.server import document

KEY: Final = "simulated-key"
UNIT: Final = "PCE"
NAMESPACE: Final = "urn:simulated:warehouse"
_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_STATUS: Final = {"unknown_order": 404, "unknown_operation": 404, "submitted_before": 409}
# Method and address of each operation's REST resource; {} is a part of the path, the rest comes by query or body.
_REST: Final = (
    ("GET", r"orders/([^/]+)", "order", ("number",)),
    ("GET", r"orders", "orders", ()),
    ("GET", r"orders/([^/]+)/totals/([^/]+)", "total", ("order", "kind")),
    ("GET", r"orders/([^/]+)/totals", "totals", ("order",)),
    ("POST", r"totals", "all_totals", ()),
    ("GET", r"stock/([^/]+)", "stock", ("item",)),
    ("GET", r"postings/([^/]+)", "find", ("reference",)),
    ("POST", r"orders/([^/]+)/postings", "post", ("order",)),
    ("POST", r"postings/([^/]+)/reversals", "take_back", ("reverses",)),
    ("GET", r"machines", "machine", ()),
    ("GET", r"items/([^/]+)", "item", ("code",)),
    ("PUT", r"requests/([^/]+)", "draft_request", ("reference",)),
    ("GET", r"requests/([^/]+)", "find_request", ("reference",)),
    ("GET", r"drafts/([^/]+)", "find_request", ("reference",)),
    ("POST", r"tickets/([^/]+)/submit", "submit_request", ("ticket",)),
    ("GET", r"requests", "requests", ()),
    ("GET", r"shipments", "shipments", ()),
    ("PUT", r"levels/([^/]+)", "level", ("reference",)),
    ("GET", r"levels/([^/]+)", "find_level", ("reference",)),
)


class Generic:
    """One warehouse."""

    root = "/api/"

    def __init__(self, business: Business | None = None) -> None:
        self.business = business or Business(UNIT)
        self.operations = Operations(self.business)
        self.csrf = 0  # number of the session whose token a changing request must carry; 0: none is needed

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """By the protocol that the address names."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": {"code": "unauthorized", "message": "Who are you?"}}, 401)
        if self.csrf and (early := self._session(request)) is not None:
            return early
        protocol, _, resource = path.partition("/")
        protocols: dict[str, Callable[[], Response]] = {
            "rest": lambda: self._rest(request, resource, body),
            "soap": lambda: self._soap(request, body),
            "jsonrpc": lambda: self._json_rpc(document(body)),
            "graphql": lambda: self._graphql(document(body)),
            "xmlrpc": lambda: self._xml_rpc(body),
        }
        if protocol not in protocols:
            return JSONResponse({"error": {"code": "not_found", "message": path}}, 404)
        return protocols[protocol]()

    def _session(self, request: Request) -> Response | None:
        """As SAP Gateway: a token for who asks, and no change without it and the cookie that came with it."""
        token, cookie = f"token-{self.csrf}", f"session={self.csrf}"
        given = request.headers.get("x-csrf-token", "")
        if request.method == "GET":
            fetched = {"x-csrf-token": token, "Set-Cookie": f"{cookie}; Path=/; HttpOnly"}
            return Response("{}", 200, fetched) if given.lower() == "fetch" else None
        if given == token and cookie in request.headers.get("cookie", ""):
            return None
        return Response("CSRF token validation failed", 403, {"x-csrf-token": "Required"})

    def broken(self) -> Response:
        """A failure inside, said by the system itself, after a rollback."""
        return JSONResponse({"error": {"code": "internal", "message": "deadlock detected"}}, 500)

    def throttled(self, seconds: float) -> Response:
        """Too many requests."""
        return JSONResponse({"error": {"code": "slow_down"}}, 429, {"Retry-After": str(max(int(seconds), 1))})

    def truth(self) -> dict[str, Any]:
        """What was booked."""
        return self.business.truth()

    def _rest(self, request: Request, resource: str, body: bytes) -> Response:
        sent = document(body) if body else {}
        for method, pattern, name, parts in _REST:
            match = re.fullmatch(pattern, resource)
            if match and method == request.method and isinstance(sent, dict):
                values = {**request.query_params, **sent, **dict(zip(parts, match.groups(), strict=True))}
                try:
                    result = self.operations.call(name, values)
                    return JSONResponse(result, 404 if name == "stock" and not result else 200)
                except RefusedError as error:
                    refused = {"error": {"code": error.code, "message": str(error)}}
                    return JSONResponse(refused, _STATUS.get(error.code, 422))
        return JSONResponse({"error": {"code": "not_found", "message": f"{request.method} {resource}"}}, 404)

    def _json_rpc(self, call: Any) -> Response:
        """Answers 200 whatever happened, as JSON-RPC servers do."""
        if not isinstance(call, dict) or call.get("jsonrpc") != "2.0":
            error = {"code": -32600, "message": "Invalid Request"}
            return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error})
        try:
            result = self.operations.call(str(call.get("method")), call.get("params") or {})
        except RefusedError as refused:
            error = {"code": -32000, "message": str(refused), "data": {"reason": refused.code}}
            return JSONResponse({"jsonrpc": "2.0", "id": call.get("id"), "error": error})
        return JSONResponse({"jsonrpc": "2.0", "id": call.get("id"), "result": result})

    def _xml_rpc(self, body: bytes) -> Response:
        try:
            params, name = xmlrpc.client.loads(body.decode())
            result = self.operations.call(str(name), params[0] if params and isinstance(params[0], dict) else {})
            answer = xmlrpc.client.dumps((result,), methodresponse=True, allow_none=True)
        except RefusedError as error:
            answer = xmlrpc.client.dumps(xmlrpc.client.Fault(1, f"{error.code}: {error}"))
        return Response(answer, media_type="text/xml")

    def _soap(self, request: Request, body: bytes) -> Response:
        """Document/literal, as warehouse.wsdl says."""
        try:
            call = ET.fromstring(body).find(f"{{{_ENVELOPE}}}Body/*")  # noqa: S314  # a simulator, asked by tests
        except ET.ParseError:
            call = None
        if call is None or request.headers.get("soapaction", "").strip('"') != call.tag.rpartition("}")[2]:
            return _soap_fault("Client", "no such action")
        name = _snake(call.tag.rpartition("}")[2])
        values = _arguments(call)
        try:
            result = self.operations.call(name, values)
        except RefusedError as error:
            return _soap_fault("Client", f"{error.code}: {error}")
        inner = "".join(_element(key, value) for key, value in result.items())
        tag = call.tag.rpartition("}")[2] + "Response"
        return _soap(f'<w:{tag} xmlns:w="{NAMESPACE}">{inner}</w:{tag}>', 200)

    def _graphql(self, call: Any) -> Response:
        """One operation a document, whose one field is one of ours, with all variables as its arguments."""
        text = str(call.get("query", "")) if isinstance(call, dict) else ""
        head = re.match(r"\s*(query|mutation)\s+\w*\s*(?:\(([^)]*)\))?\s*\{\s*(\w+)", text)
        if head is None or text.count("{") != text.count("}"):
            return JSONResponse({"errors": [{"message": "Syntax Error"}]}, 400)
        variables = call.get("variables") or {}
        declared = set(re.findall(r"\$(\w+)\s*:", head[2] or ""))
        if not isinstance(variables, dict) or set(variables) - declared:
            return JSONResponse({"errors": [{"message": f"Unknown variables {set(variables) - declared}"}]}, 400)
        try:
            result = self.operations.call(_snake(head[3]), variables)
        except RefusedError as error:
            refused = {"message": str(error), "extensions": {"code": error.code}}
            return JSONResponse({"data": None, "errors": [refused]})
        return JSONResponse({"data": {head[3]: result}})


def _arguments(call: ET.Element) -> dict[str, Any]:
    """An operation's elements; those that come several times are a list."""
    values: dict[str, Any] = {}
    for part in call:
        name, text = part.tag.rpartition("}")[2], part.text or ""
        values[name] = text if name not in values else [*(v if isinstance(v := values[name], list) else [v]), text]
    return values


def _snake(name: str) -> str:
    snake = re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
    return snake if snake in OPERATIONS else name


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, one) for one in value)
    if isinstance(value, dict):
        value_text = "".join(_element(key, inner) for key, inner in value.items())
    else:
        value_text = "" if value is None else escape(str(value))
    return f"<w:{name}>{value_text}</w:{name}>"


def _soap(inner: str, status: int) -> Response:
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_ENVELOPE}"><s:Body>{inner}</s:Body></s:Envelope>'
    )
    return Response(text, status, media_type="text/xml")


def _soap_fault(code: str, message: str) -> Response:
    inner = f"<s:Fault><faultcode>s:{code}</faultcode><faultstring>{escape(message)}</faultstring></s:Fault>"
    return _soap(inner, 500)
