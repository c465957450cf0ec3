-- People, their sessions, and what they did.

-- name: upsert
-- A new password ends the sessions that the old one opened.
with changed as (
    insert into account (login, password_hash, role)
    values (lower(%(login)s), %(password_hash)s, %(role)s)
    on conflict (login) do update
    set password_hash = excluded.password_hash, role = excluded.role, disabled_at = null
    returning id
),
ended as (
    update login_session set revoked_at = now()
    where account_id in (select id from changed) and revoked_at is null
)
select id from changed;

-- name: by_login
select id, login, password_hash, role from account where login = lower(%(login)s) and disabled_at is null;

-- name: insert_session
insert into login_session (token_sha256, account_id, created_at, expires_at)
values (%(token_sha256)s, %(account_id)s, %(now)s, %(expires_at)s);

-- name: session
select a.id, a.login, a.role, s.expires_at
from login_session as s
join account as a on a.id = s.account_id
where s.token_sha256 = %(token_sha256)s and s.revoked_at is null and s.expires_at > %(now)s and a.disabled_at is null;

-- name: revoke_session
update login_session set revoked_at = %(now)s where token_sha256 = %(token_sha256)s and revoked_at is null;

-- name: delete_old_sessions
delete from login_session where expires_at < %(before)s;

-- name: insert_audit
insert into audit (at, actor, action, subject, detail) values (%(at)s, %(actor)s, %(action)s, %(subject)s, %(detail)s);
