"""Refusals that do not repeat what was sent."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


class Discreet(APIRoute):
    """Says what is wrong with a request without repeating it: it may hold a password, and texts that no JSON can."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with its refusals made so."""
        handle = super().get_route_handler()

        async def discreet(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                problems = [{"loc": problem["loc"], "msg": problem["msg"]} for problem in error.errors()]
                raise HTTPException(422, problems) from None

        return discreet
