-- Alarms and their history.

-- name: raise_alarm
-- One open alarm per rule and asset; one that is open already is taken over.
insert into alarm (
    rule_id, rule_version, equipment_id, severity, state, quality, message, consequence, response, inputs, because, shadow, late,
    raised_at
)
values (
    %(rule_id)s, %(rule_version)s, %(equipment_id)s, %(severity)s, 'ACTIVE_UNACK', %(quality)s, %(message)s, %(consequence)s,
    %(response)s, %(inputs)s, %(because)s, %(shadow)s, %(late)s, %(at)s
)
on conflict (rule_id, equipment_id, kind) where closed_at is null do update
set
    rule_version = excluded.rule_version, severity = excluded.severity, state = excluded.state, quality = excluded.quality,
    message = excluded.message, inputs = excluded.inputs, because = excluded.because, shadow = excluded.shadow,
    acked_at = null, acked_by = null, returned_at = null
returning id;

-- name: fail
-- The rule itself failed: an alarm of its own, raised once until it is closed.
insert into alarm (
    rule_id, rule_version, equipment_id, kind, severity, state, quality, message, consequence, response, shadow, raised_at
)
values (
    %(rule_id)s, %(rule_version)s, %(equipment_id)s, 'rule_error', 'high', 'ACTIVE_UNACK', 'ERROR', %(message)s, %(consequence)s,
    %(response)s, %(shadow)s, %(at)s
)
on conflict (rule_id, equipment_id, kind) where closed_at is null do nothing
returning id, pg_notify('amor_live', 'alarm:' || id);

-- name: doubt
-- Nobody watches any longer: the open alarm of a rule that failed is not to be trusted.
update alarm set quality = 'ERROR'
where rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and kind = 'process' and closed_at is null and quality <> 'ERROR'
returning id, severity, pg_notify('amor_live', 'alarm:' || id);

-- name: lock_failed
select id, severity from alarm where closed_at is null and kind = 'rule_error' order by id for update;

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
insert into alarm_event (alarm_id, at, kind, severity, actor, note, inputs, because, late)
values (
    %(alarm_id)s, %(at)s, %(kind)s, %(severity)s, %(actor)s, %(note)s, %(inputs)s, %(because)s, %(late)s
)
returning pg_notify('amor_live', 'alarm:' || alarm_id);

-- name: lock
select id, state, severity, quality, acked_at is not null as acked, closed_at is not null as closed, returned_at
from alarm
where id = any(%(ids)s::bigint [])
order by id
for no key update;

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

-- name: operated
-- Alarms that somebody acknowledged or reset and whose rule does not know of it yet.
select distinct alarm_id from alarm_event where kind in ('ACK', 'RESET') and applied_at is null;

-- name: apply
-- The rules took over what operators did, at an instant of the asset's time.
update alarm_event set applied_at = %(at)s
where alarm_id = %(alarm_id)s and kind in ('ACK', 'RESET') and applied_at is null;

-- name: apply_rest
-- Of alarms that no rule holds any longer.
update alarm_event set applied_at = at where alarm_id = any(%(ids)s::bigint []) and kind in ('ACK', 'RESET') and applied_at is null;

-- name: suppress
update alarm set suppressed_by = %(suppressed_by)s
where id = %(id)s and suppressed_by is distinct from %(suppressed_by)s
returning id, severity, pg_notify('amor_live', 'alarm:' || id);

-- name: journal
-- What is told of a rule on an asset after an instant and still holds, and what operators did, in its order.
select
    v.id, v.alarm_id, v.at, v.applied_at, v.kind, v.severity, v.actor, v.note, v.inputs, v.because
from alarm_event as v
inner join alarm as a on v.alarm_id = a.id
where
    a.rule_id = %(rule_id)s and a.equipment_id = %(equipment_id)s and a.kind = 'process' and a.retracted_at is null
    and v.superseded_at is null and coalesce(v.applied_at, v.at) > %(after)s
order by coalesce(v.applied_at, v.at), v.id;

-- name: rows
-- Alarms of a rule on an asset that were raised after an instant or stand, locked until the transaction ends.
select id, raised_at, closed_at, acked_at is not null as acked
from alarm
where
    rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and kind = 'process' and retracted_at is null
    and (raised_at > %(after)s or closed_at is null or closed_at > %(after)s)
order by raised_at, id
for update;

-- name: supersede
update alarm_event set superseded_at = now() where id = any(%(ids)s::bigint []);

-- name: retract
-- Late readings showed that the alarm never was.
update alarm
set retracted_at = %(now)s, state = 'NORMAL', closed_at = coalesce(closed_at, %(now)s), late = true
where id = %(id)s
returning pg_notify('amor_live', 'alarm:' || id);

-- name: retract_note
-- What was opened for an alarm that never was is for people to judge.
insert into ticket_event (ticket_id, kind, note)
select distinct o.ticket_id, 'NOTE', 'alarm ' || o.alarm_id || ' is retracted: readings that came late show that it never was'
from ticket_occurrence as o
where o.alarm_id = %(id)s;

-- name: correct
update alarm
set
    severity = %(severity)s, state = %(state)s, quality = %(quality)s, message = coalesce(%(message)s, message),
    inputs = coalesce(%(inputs)s, inputs), because = coalesce(%(because)s, because),
    raised_at = coalesce(%(raised_at)s, raised_at), returned_at = %(returned_at)s, closed_at = %(closed_at)s,
    acked_at = case when %(acked)s then acked_at end, acked_by = case when %(acked)s then acked_by end,
    late = late or %(late)s
where id = %(id)s
returning pg_notify('amor_live', 'alarm:' || id);

-- name: insert_late
-- An alarm of the past, as it is to stand now.
insert into alarm (
    rule_id, rule_version, equipment_id, severity, state, quality, message, consequence, response, inputs, because, shadow, late,
    raised_at, returned_at, closed_at
)
values (
    %(rule_id)s, %(rule_version)s, %(equipment_id)s, %(severity)s, %(state)s, %(quality)s, %(message)s, %(consequence)s,
    %(response)s, %(inputs)s, %(because)s, %(shadow)s, %(late)s, %(at)s, %(returned_at)s, %(closed_at)s
)
returning id, pg_notify('amor_live', 'alarm:' || id);
