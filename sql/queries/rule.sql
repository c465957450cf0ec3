-- Rules by version, and what they remember.

-- name: lock
lock table rule in share row exclusive mode;

-- name: active
select id, version, sha256, loaded_at from rule where active;

-- name: deactivate
update rule set active = false where active and id = any(%(ids)s::text []);

-- name: insert
insert into rule (id, version, sha256, body, file, loaded_at)
select n.id, coalesce((select max(r.version) from rule as r where r.id = n.id), 0) + 1, n.sha256, n.body, n.file, %(now)s
from jsonb_to_recordset(%(rules)s) as n (id text, sha256 text, body jsonb, file text)
returning id, version;

-- name: states
select rule_id, instance, state, watermark from rule_state where %(rules)s::text [] is null or rule_id = any(%(rules)s);

-- name: save_states
-- As one document: an array of many documents takes several times as long to write and read.
insert into rule_state (rule_id, instance, state, watermark)
select s.rule_id, s.instance, s.state, s.watermark
from jsonb_to_recordset(%(states)s) as s (rule_id text, instance text, state jsonb, watermark timestamptz)
on conflict (rule_id, instance) do update set state = excluded.state, watermark = excluded.watermark;

-- name: save_checkpoints
insert into rule_checkpoint (rule_id, equipment_id, at, state)
select s.rule_id, s.equipment_id, s.at, s.state
from jsonb_to_recordset(%(states)s) as s (rule_id text, equipment_id int, at timestamptz, state jsonb)
on conflict (rule_id, equipment_id, at) do update set state = excluded.state;

-- name: checkpoint_before
-- The newest before an instant, of one version of the rule.
select at, state from rule_checkpoint
where
    rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and at < %(before)s
    and (state ->> 'version')::int = %(version)s
order by at desc
limit 1;

-- name: carried_checkpoint
-- With what a version of the rule took over from the one before.
select at, state from rule_checkpoint
where
    rule_id = %(rule_id)s and equipment_id = %(equipment_id)s
    and (state ->> 'version')::int = %(version)s and (state ->> 'carried')::boolean
order by at
limit 1;

-- name: forget
-- What rules remembered that are there no longer: one that comes back begins anew.
with gone as (
    delete from rule_checkpoint where rule_id <> all(%(rules)s::text [])
)

delete from rule_state where rule_id <> all(%(rules)s::text []) and not starts_with(rule_id, '@');

-- name: drop_checkpoints
delete from rule_checkpoint where rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and at >= %(from)s;

-- name: newest_checkpoints
-- Of some rules, for each of their assets, at or before what the asset was worked on.
select distinct on (rule_id, equipment_id) rule_id, equipment_id, at, state
from rule_checkpoint
where rule_id = any(%(rules)s::text [])
order by rule_id asc, equipment_id asc, at desc;

-- name: prune_checkpoints
-- Those that nothing goes back to: older than the horizon, but for the newest of these.
delete from rule_checkpoint as c
where
    c.at < %(horizon)s
    and exists (
        select 1 from rule_checkpoint as n
        where n.rule_id = c.rule_id and n.equipment_id = c.equipment_id and n.at > c.at and n.at < %(horizon)s
    );

-- name: record_load
insert into rule_load (at, accepted, rules, problems) values (%(at)s, %(accepted)s, %(rules)s, %(problems)s)
returning id, pg_notify('amor_live', 'rules:' || id);
