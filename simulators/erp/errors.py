"""Errors of the contract: HTTP status and the JSON body `{name, message, arguments, context, debug}`."""

from __future__ import annotations

import math


class ContractError(Exception):
    """What the ERP refuses; each kind has its HTTP status and the exception's name in Odoo."""

    status = 500
    name = "odoo.exceptions.Error"

    def document(self) -> dict[str, object]:
        """The body of the answer."""
        message = str(self)
        return {"name": self.name, "message": message, "arguments": [message], "context": {}, "debug": ""}

    def headers(self) -> dict[str, str]:
        """Headers that the answer has besides."""
        return {}


class Unauthorized(ContractError):
    """No API key, or a wrong one."""

    status = 401
    name = "werkzeug.exceptions.Unauthorized"


class Forbidden(ContractError):
    """A method that is private, or that nobody may call over the network."""

    status = 403
    name = "odoo.exceptions.AccessError"


class NotFound(ContractError):
    """No such database, model or method."""

    status = 404
    name = "werkzeug.exceptions.NotFound"


class MissingRecord(ContractError):
    """A record that was to be changed does not exist."""

    status = 404
    name = "odoo.exceptions.MissingError"


class UserRefused(ContractError):
    """The business rules forbid it."""

    status = 422
    name = "odoo.exceptions.UserError"


class WrongArguments(ContractError):
    """Arguments that the method does not take, or that do not parse."""

    status = 422
    name = "werkzeug.exceptions.UnprocessableEntity"


class UnknownField(ContractError):
    """A field that the model does not have; Odoo answers 500."""

    status = 500
    name = "builtins.ValueError"


class Throttled(ContractError):
    """Too many requests."""

    status = 429
    name = "werkzeug.exceptions.TooManyRequests"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("Too many requests")
        self._retry_after_s = retry_after_s

    def headers(self) -> dict[str, str]:
        """Retry-After in whole seconds, at least one."""
        return {"Retry-After": str(max(math.ceil(self._retry_after_s), 1))}


class BrokenServer(ContractError):
    """An error that is nobody's mistake, before anything was written."""

    status = 500
    name = "psycopg2.errors.SerializationFailure"
