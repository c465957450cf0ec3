"""What browsers load that is not Dash's own: the login page, and Plotly compressed once instead of at every request."""

from __future__ import annotations

import asyncio
import gzip
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response

router: Final = APIRouter(include_in_schema=False)

_FOREVER: Final = "public, max-age=31536000, immutable"
_LEVEL: Final = 6


@router.get("/login")
async def login_page() -> Response:
    """Plain HTML: nothing of the application is loaded before the login."""
    page = files("dashboard").joinpath("control_tower", "assets", "login.html").read_bytes()
    return Response(page, media_type="text/html")


@router.get("/static/plotly-{version}.js")
async def plotly(version: str, request: Request) -> Response:
    """The plotly.js that comes with the installed plotly; `version` keeps an old one from being taken from the browser's cache."""
    del version
    headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(await asyncio.to_thread(_compressed), media_type="text/javascript", headers=headers)
    return Response(_plain(), media_type="text/javascript", headers=headers)


@cache
def _compressed() -> bytes:
    return gzip.compress(_plain(), _LEVEL)


def _plain() -> bytes:
    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
