"""What every request and the live feed share: settings, database, sessions, hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, HTTPException, Request
from psycopg_pool import AsyncConnectionPool

from bridge.config import Settings
from bridge.store.account import Account, Role
from bridge.store.database import Connection
from dashboard.api.erp_board import ErpBoard
from dashboard.api.live.hub import Hub
from dashboard.api.plant import Counted
from dashboard.api.sessions import Sessions
from dashboard.api.throttle import Throttle


@dataclass(slots=True)
class Tower:
    """One control tower, in one process."""

    settings: Settings
    pool: AsyncConnectionPool[Connection]
    sessions: Sessions
    hub: Hub = field(default_factory=Hub)
    counted: Counted = field(default_factory=Counted)
    erp: ErpBoard = field(init=False)
    by_login: Throttle = field(default_factory=Throttle)
    by_address: Throttle = field(default_factory=lambda: Throttle(limit=20))

    def __post_init__(self) -> None:
        self.erp = ErpBoard(self.settings)


def tower_of(request: Request) -> Tower:
    """The tower that the application belongs to."""
    return cast("Tower", request.app.state.tower)


def account_of(request: Request) -> Account:
    """Who is logged in; the guard has let nobody else through."""
    account: Account | None = getattr(request.state, "account", None)
    if account is None:
        raise HTTPException(401, "log in first")
    return account


def require(account: Account, role: Role) -> None:
    """Raise 403 where the account may not do what needs `role`."""
    if not account.may(role):
        raise HTTPException(403, f"this needs the role {role}")


TheTower = Annotated[Tower, Depends(tower_of)]
TheAccount = Annotated[Account, Depends(account_of)]
