-- Rules by version, and what they remember.

-- name: lock
lock table rule in share row exclusive mode;

-- name: active
select id, version, sha256 from rule where active;

-- name: deactivate
update rule set active = false where active and id = any(%(ids)s::text []);

-- name: insert
insert into rule (id, version, sha256, body, file, loaded_at)
values (
    %(id)s, (select coalesce(max(version), 0) + 1 from rule where id = %(id)s), %(sha256)s, %(body)s, %(file)s, %(now)s
)
returning version;

-- name: states
select rule_id, instance, state, watermark from rule_state;

-- name: save_states
insert into rule_state (rule_id, instance, state, watermark)
select * from unnest(%(rules)s::text [], %(instances)s::text [], %(states)s::jsonb [], %(watermarks)s::timestamptz [])
on conflict (rule_id, instance) do update set state = excluded.state, watermark = excluded.watermark;
