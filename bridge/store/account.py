"""Accounts, their sessions on the server, and the audit trail.

Passwords are kept as argon2id hashes with the library's defaults (RFC 9106, low-memory profile); a session's token is kept only as
its SHA-256, so that neither can be read back from the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg.types.json import Jsonb

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("account")
_HASHER: Final = PasswordHasher()
_TOKEN_BYTES: Final = 32
_KEPT_AFTER_END: Final = timedelta(days=30)
# A verification takes 64 MiB and a core for some hundredths of a second: two at a time, the others wait without a connection. A pool
# of its own, so that they keep nothing else waiting that runs in threads.
_VERIFIERS: Final = ThreadPoolExecutor(2, "password")

Role = Literal["viewer", "operator", "admin"]
_RANK: Final[dict[str, int]] = {"viewer": 0, "operator": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in. A higher role may do all that a lower one may: viewer, operator, admin."""

    id: int
    login: str
    role: str

    def may(self, role: Role) -> bool:
        """Whether what needs `role` is allowed."""
        return _RANK.get(self.role, -1) >= _RANK[role]


async def create_account(connection: Connection, login: str, password: str, role: str) -> int:
    """Add an account, or give it a new password and role and end its sessions; returns its id. The login is kept in lower case."""
    password_hash = await asyncio.to_thread(_HASHER.hash, password)
    columns = {"login": login, "password_hash": password_hash, "role": role}
    row = await (await connection.execute(_QUERIES.upsert, columns)).fetchone()
    assert row is not None, "the query returns the row that it made or found"
    return int(row["id"])


@dataclass(frozen=True, slots=True)
class Locked:
    """What a login leads to: an account, or None where nobody has it, and the hash that its password must match."""

    account: Account | None
    password_hash: str | None = field(repr=False)


async def find_locked(connection: Connection, login: str) -> Locked:
    """What `unlock` needs; the connection can be given back before."""
    row = await (await connection.execute(_QUERIES.by_login, {"login": login})).fetchone()
    if row is None:
        return Locked(None, None)
    return Locked(Account(row["id"], row["login"], row["role"]), row["password_hash"])


async def unlock(locked: Locked, password: str) -> Account | None:
    """The account, where the password opens it. An unknown login takes as long as a wrong password."""
    is_right = await asyncio.get_running_loop().run_in_executor(_VERIFIERS, _matches, locked.password_hash, password)
    return locked.account if is_right else None


async def open_session(connection: Connection, account: Account, now: datetime, lifetime: timedelta) -> str:
    """Begin a session; returns its token, which is known to the caller alone."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await connection.execute(_QUERIES.delete_old_sessions, {"before": now - _KEPT_AFTER_END})
    columns = {"token_sha256": digest(token), "account_id": account.id, "now": now, "expires_at": now + lifetime}
    await connection.execute(_QUERIES.insert_session, columns)
    return token


async def find_session(connection: Connection, token: str, now: datetime) -> Account | None:
    """Whose session this token opens; None where it is unknown, over or revoked."""
    key = {"token_sha256": digest(token), "now": now}
    row = await (await connection.execute(_QUERIES.session, key)).fetchone()
    return Account(row["id"], row["login"], row["role"]) if row else None


async def revoke_session(connection: Connection, token: str, now: datetime) -> None:
    """End a session; repeating it changes nothing."""
    await connection.execute(_QUERIES.revoke_session, {"token_sha256": digest(token), "now": now})


async def write_audit(
    connection: Connection, actor: str, action: str, subject: str, at: datetime, detail: dict[str, Any] | None = None
) -> None:
    """Append one line to the audit trail, in the transaction of what was done."""
    columns = {"at": at, "actor": actor, "action": action, "subject": subject, "detail": Jsonb(detail or {})}
    await connection.execute(_QUERIES.insert_audit, columns)


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def _matches(password_hash: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(_TOKEN_BYTES))
