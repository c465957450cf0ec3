-- Alarms and their history.

-- name: raise_alarm
-- One open alarm per rule and asset; one that is open already is taken over.
insert into alarm (
    rule_id, rule_version, equipment_id, severity, state, quality, message, consequence, response, inputs, raised_at
)
values (
    %(rule_id)s, %(rule_version)s, %(equipment_id)s, %(severity)s, 'ACTIVE_UNACK', %(quality)s, %(message)s, %(consequence)s,
    %(response)s, %(inputs)s, %(at)s
)
on conflict (rule_id, equipment_id) where closed_at is null do update
set
    rule_version = excluded.rule_version, severity = excluded.severity, state = excluded.state, quality = excluded.quality,
    message = excluded.message, inputs = excluded.inputs, acked_at = null, acked_by = null, returned_at = null
returning id;

-- name: update
update alarm
set
    severity = %(severity)s, state = %(state)s, quality = %(quality)s, message = coalesce(%(message)s, message),
    acked_at = case when %(acked)s then acked_at end, acked_by = case when %(acked)s then acked_by end,
    returned_at = %(returned_at)s,
    closed_at = case when %(state)s = 'NORMAL' then %(at)s::timestamptz end
where id = %(id)s
returning pg_notify('amor_live', 'alarm:' || id);

-- name: event
insert into alarm_event (alarm_id, at, kind, severity, actor, note, inputs)
values (%(alarm_id)s, %(at)s, %(kind)s, %(severity)s, %(actor)s, %(note)s, %(inputs)s)
returning pg_notify('amor_live', 'alarm:' || alarm_id);

-- name: lock
select id, state, severity, acked_at is not null as acked, closed_at is not null as closed, returned_at
from alarm
where id = any(%(ids)s::bigint [])
order by id
for update;

-- name: lock_without_rule
select id, severity from alarm where closed_at is null and rule_id <> all(%(rules)s::text []) order by id for update;

-- name: operate
update alarm
set
    state = %(state)s,
    acked_at = coalesce(acked_at, %(at)s), acked_by = coalesce(acked_by, %(actor)s),
    closed_at = case when %(state)s = 'NORMAL' then %(at)s::timestamptz end
where id = %(id)s
returning pg_notify('amor_live', 'alarm:' || id);
