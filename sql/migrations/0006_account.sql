-- People and what they did.
create table account (
    id int generated always as identity primary key,
    login text not null unique check (login = lower(login)),
    password_hash text not null,
    role text not null default 'viewer' check (role in ('viewer', 'operator', 'admin')),
    created_at timestamptz not null default now(),
    disabled_at timestamptz
);

-- Sessions live here, so that they can be revoked. The cookie's token is kept only as its SHA-256.
create table login_session (
    token_sha256 bytea primary key,
    account_id int not null references account (id),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);

create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    subject text not null default '',
    detail jsonb not null default '{}'
);
-- Append only: what was done stays.
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit rows are never changed or deleted';
end
$$;
create trigger audit_append_only before update or delete on audit
for each row execute function audit_is_append_only();
