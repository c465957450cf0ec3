"""Gateway's side: who is let in, CSRF tokens and cookies, repeatable requests; then the service that is asked."""

from __future__ import annotations

import base64
import secrets
from typing import Any, Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from simulators.systems.business import Business, RefusedError
from simulators.systems.oauth import Tokens
from simulators.systems.sap_s4 import services
from simulators.systems.sap_s4.odata import ODataError
from simulators.systems.server import document

USER: Final = "AMOR"
PASSWORD: Final = "simulated-key"  # noqa: S105  # of a simulator
UNIT: Final = "PC"
_COOKIE: Final = "SAP_SESSIONID_S4H_100"
_CODES: Final = {
    "closed_period": "M7/053",
    "negative_stock": "M7/021",
    "bad_unit": "M7/005",
    "bad_quantity": "RU/012",
    "order_closed": "CO/033",
    "unknown_order": "CO/017",
    "unknown_reason": "RU/030",
    "unknown_equipment": "IE/401",
    "already_reversed": "M7/314",
}


class SapS4:
    """One tenant. `is_repeatable`: it has Gateway's idempotency framework switched on."""

    root = "/sap/opu/odata/sap/"

    def __init__(self, business: Business | None = None, *, is_repeatable: bool = False) -> None:
        self.business = business or Business(UNIT)
        self.is_repeatable = is_repeatable
        self.tokens = Tokens("/sap/bc/sec/oauth2/token")
        self._sessions: dict[str, str] = {}
        self._repeated: dict[str, tuple[int, bytes]] = {}
        self.store = services.Store(self.business)

    def forget_answers(self) -> None:
        """Gateway's job for idempotent services has deleted the answers, and keeps the RequestIDs."""
        outdated = ODataError(
            400, "/IWBEP/CM_COS/005", "Idempotent Service Framework: RequestID is outdated"
        ).response()
        self._repeated = dict.fromkeys(self._repeated, (400, bytes(outdated.body)))

    def expire_sessions(self) -> None:
        """All sessions end, and with them their CSRF tokens."""
        self._sessions.clear()

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """Let the client in, check its token, and hand on to the service."""
        if request.url.path == self.tokens.path:
            return self.tokens.give(request, body)
        if not (_is_let_in(request) or self.tokens.lets_in(request)):
            return PlainTextResponse("<html>Anmeldung fehlgeschlagen</html>", 401, {"www-authenticate": "Basic"})
        if request.method == "GET":
            return self._read(request, path)
        if not self._has_token(request):
            return PlainTextResponse("CSRF token validation failed", 403, {"x-csrf-token": "Required"})
        return self._change(request, path, body)

    def broken(self) -> Response:
        """A short dump, after a rollback."""
        return ODataError(500, "SY/530", "An exception was raised: deadlock in the database").response()

    def throttled(self, seconds: float) -> Response:
        """The API management's policy."""
        answer = JSONResponse({"fault": {"faultstring": "Spike arrest violation"}}, 429)
        answer.headers["Retry-After"] = str(max(int(seconds), 1))
        return answer

    def truth(self) -> dict[str, Any]:
        """What was booked."""
        return self.business.truth()

    def _read(self, request: Request, path: str) -> Response:
        if request.headers.get("x-csrf-token", "").lower() == "fetch":
            session, token = secrets.token_hex(8), secrets.token_urlsafe(12)
            self._sessions[session] = token
            answer = JSONResponse({"d": {"EntitySets": []}}, headers={"x-csrf-token": token})
            answer.set_cookie(_COOKIE, session, path="/", httponly=True)
            return answer
        return self._guarded(request, path, None)

    def _has_token(self, request: Request) -> bool:
        token = self._sessions.get(request.cookies.get(_COOKIE, ""))
        return token is not None and secrets.compare_digest(token, request.headers.get("x-csrf-token", ""))

    def _change(self, request: Request, path: str, body: bytes) -> Response:
        number = request.headers.get("RequestID", "") if self.is_repeatable else ""
        is_marked = bool(number and "RepeatabilityCreation" in request.headers)
        if is_marked and number in self._repeated:
            status, kept = self._repeated[number]
            return Response(kept, status, {"RepeatabilityResult": "accepted"}, "application/json")
        answer = self._guarded(request, path, document(body))
        if is_marked:
            answer.headers["RepeatabilityResult"] = "accepted"
            if answer.status_code < 300:
                self._repeated[number] = (answer.status_code, bytes(answer.body))
        return answer

    def _guarded(self, request: Request, path: str, sent: Any) -> Response:
        service, _, resource = unquote(path).partition("/")
        try:
            return services.serve(self.store, request, service, resource, sent)
        except ODataError as error:
            return error.response()
        except RefusedError as error:
            code = _CODES[error.code]
            return ODataError(400, code, str(error), [(code, str(error))]).response()


def _is_let_in(request: Request) -> bool:
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    try:
        return scheme == "Basic" and base64.b64decode(coded).decode() == f"{USER}:{PASSWORD}"
    except ValueError:
        return False
