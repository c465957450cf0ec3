-- Alarms that are shelved or out of service: beside their states.

-- name: lock_alarm
-- Before the shelf, as the rules do: whoever locks both locks the alarm first.
select id
from alarm
where rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and closed_at is null
order by id
for no key update;

-- name: lock_source
-- Whoever shelves or unshelves the same alarm takes turns until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('amor shelf|' || %(rule_id)s || '|' || %(equipment_id)s::text, 0));

-- name: shelve
insert into shelf (rule_id, equipment_id, kind, reason, actor, shelved_at, until)
values (%(rule_id)s, %(equipment_id)s, %(kind)s, %(reason)s, %(actor)s, %(now)s, %(until)s)
returning id;

-- name: unshelve
update shelf set ended_at = %(now)s, ended_by = %(actor)s
where rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and ended_at is null
returning id;

-- name: end_one_shot
update shelf set ended_at = %(now)s, ended_by = 'return'
where rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and ended_at is null and kind = 'one_shot'
returning id;

-- name: end_due
with due as (
    select id from shelf where ended_at is null and until <= %(now)s order by id for update skip locked
)

update shelf set ended_at = until, ended_by = 'time'
from due
where shelf.id = due.id
returning shelf.id, shelf.rule_id, shelf.equipment_id, shelf.until;

-- name: take_out
insert into out_of_service (rule_id, equipment_id, work_order, reason, actor, since)
values (%(rule_id)s, %(equipment_id)s, %(work_order)s, %(reason)s, %(actor)s, %(now)s)
on conflict do nothing
returning id;

-- name: bring_back
update out_of_service set ended_at = %(now)s, ended_by = %(actor)s
where id = %(id)s and ended_at is null
returning id, rule_id, equipment_id, work_order;

-- name: overlay
-- The row is locked: what is decided from it holds until the transaction ends.
select alarm_overlay(rule_id, equipment_id, suppressed_by, %(now)s) as overlay, held_back
from alarm
where id = %(alarm_id)s
for no key update;

-- name: shelved
-- What is on the shelf now.
select
    s.id, s.rule_id, s.equipment_id, e.path as equipment, s.kind, s.reason, s.actor, s.shelved_at, s.until, s.ended_at, s.ended_by
from shelf as s
inner join equipment as e on s.equipment_id = e.id
where (s.ended_at is null and s.until > %(now)s) or (%(since)s::timestamptz is not null and s.shelved_at >= %(since)s)
order by s.ended_at is not null, s.until
limit 1000;

-- name: out_of_service
select o.id, o.rule_id, o.equipment_id, e.path as equipment, o.work_order, o.reason, o.actor, o.since, o.ended_at, o.ended_by
from out_of_service as o
inner join equipment as e on o.equipment_id = e.id
where o.ended_at is null or (%(since)s::timestamptz is not null and o.since >= %(since)s)
order by o.ended_at is not null, o.since
limit 1000;

-- name: tell_alarm
-- A line in the history of the alarm that stands, if any does; people see it change.
insert into alarm_event (alarm_id, at, kind, severity, actor, note)
select id, %(now)s, %(kind)s, severity, %(actor)s, %(note)s
from alarm
where rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and closed_at is null
returning pg_notify('amor_live', 'alarm:' || alarm_id);

-- name: hold_back
-- The alarm that stands calls nobody from now on.
update alarm set held_back = %(overlay)s
where rule_id = %(rule_id)s and equipment_id = %(equipment_id)s and closed_at is null;

-- name: hold_back_below
-- The alarms that stand on a piece of equipment and below it, of one rule or of every rule.
with standing as (
    select a.id
    from alarm as a
    inner join equipment as e on a.equipment_id = e.id
    inner join equipment as above on e.id = above.id or starts_with(e.path, above.path || '/')
    where above.id = %(equipment_id)s and a.closed_at is null and (%(rule_id)s::text is null or a.rule_id = %(rule_id)s)
    order by a.id
    for no key update of a
),

held as (
    update alarm set held_back = 'out_of_service'
    from standing
    where alarm.id = standing.id
    returning alarm.id, alarm.severity
)

insert into alarm_event (alarm_id, at, kind, severity, actor, note)
select id, %(now)s, 'OUT_OF_SERVICE', severity, %(actor)s, %(note)s from held
returning pg_notify('amor_live', 'alarm:' || alarm_id);

-- name: mark_event
-- The newest raise or escalation of an alarm called nobody.
update alarm_event set annunciated = false
where
    id = (select max(id) from alarm_event where alarm_id = %(alarm_id)s and kind in ('RAISE', 'ESCALATE', 'REALARM'));

-- name: set_held_back
update alarm set held_back = %(overlay)s where id = %(alarm_id)s and held_back is distinct from %(overlay)s;

-- name: no_longer_held_back
-- An alarm that stands, was held back, and has no reason for it any more; one that somebody is at is left to the next look.
select
    a.id, a.rule_id, a.rule_version, a.equipment_id, e.path, a.severity, a.state, a.message, a.inputs, a.raised_at, a.held_back
from alarm as a
inner join equipment as e on a.equipment_id = e.id
where
    a.held_back is not null and a.closed_at is null and not a.shadow
    and alarm_overlay(a.rule_id, a.equipment_id, a.suppressed_by, %(now)s) is null
order by a.id
limit 1
for no key update of a skip locked;

-- name: annunciate
with changed as (
    update alarm set held_back = null where id = %(alarm_id)s returning id, severity
)

insert into alarm_event (alarm_id, at, kind, severity, note)
select id, %(now)s, 'ANNUNCIATE', severity, %(note)s from changed
returning pg_notify('amor_live', 'alarm:' || alarm_id);
