-- Alarms, tickets, orders, shipments and postings as people see them.

-- name: alarms
-- Open alarms, or (with `closed`) those that returned to normal, newest first within their severity.
select
    a.id, a.rule_id, a.rule_version, a.equipment_id, e.path as equipment, e.name as machine, l.name as line,
    a.severity, a.state, a.quality, a.message, a.consequence, a.response, a.inputs,
    a.raised_at, a.acked_at, a.acked_by, a.returned_at, a.closed_at, a.suppressed_by, e.position, e.parent_id as line_id,
    (select max(h.id) from alarm_event as h where h.alarm_id = a.id) as revision,
    alarm_overlay(a.rule_id, a.equipment_id, a.suppressed_by, now()) as overlay,
    (
        select s.until from shelf as s
        where s.rule_id = a.rule_id and s.equipment_id = a.equipment_id and s.ended_at is null and s.until > now()
    ) as shelved_until,
    v.verdict
from alarm as a
join equipment as e on e.id = a.equipment_id
left join equipment as l on l.id = e.parent_id
left join alarm_verdict as v on v.alarm_id = a.id
where (a.closed_at is not null) = %(closed)s and not a.shadow
and (%(equipment_id)s::int is null or a.equipment_id = %(equipment_id)s)
order by
    array_position(array['critical', 'high', 'medium', 'low'], a.severity), a.raised_at desc
limit %(most)s;

-- name: alarm
select
    a.id, a.rule_id, a.rule_version, a.equipment_id, e.path as equipment, e.name as machine, l.name as line,
    a.severity, a.state, a.quality, a.message, a.consequence, a.response, a.inputs,
    a.raised_at, a.acked_at, a.acked_by, a.returned_at, a.closed_at, a.suppressed_by, e.position, e.parent_id as line_id,
    (select max(h.id) from alarm_event as h where h.alarm_id = a.id) as revision,
    alarm_overlay(a.rule_id, a.equipment_id, a.suppressed_by, now()) as overlay,
    (
        select s.until from shelf as s
        where s.rule_id = a.rule_id and s.equipment_id = a.equipment_id and s.ended_at is null and s.until > now()
    ) as shelved_until,
    v.verdict
from alarm as a
join equipment as e on e.id = a.equipment_id
left join equipment as l on l.id = e.parent_id
left join alarm_verdict as v on v.alarm_id = a.id
where a.id = %(id)s;

-- name: alarm_events
-- The way of an alarm through its states, what late readings showed to be otherwise included.
select id, at, kind, actor, note, severity, annunciated
from alarm_event
where alarm_id = %(id)s
order by at, id;

-- name: tickets
select
    t.id, t.equipment_id, e.path as equipment, e.name as machine, l.name as line, t.failure_mode, t.priority, t.state,
    t.title, t.description, t.occurrences, t.opened_at, t.updated_at, t.closed_at, t.external_id,
    coalesce(v.picture is not null, false) as has_picture, v.completed_at as evidence_at
from ticket as t
join equipment as e on e.id = t.equipment_id
left join equipment as l on l.id = e.parent_id
left join ticket_evidence as v on v.ticket_id = t.id
where (%(id)s::bigint is null or t.id = %(id)s)
and (%(id)s::bigint is not null or (t.closed_at is not null) = %(closed)s)
and (%(equipment_id)s::int is null or t.equipment_id = %(equipment_id)s)
order by array_position(array['critical', 'high', 'medium', 'low'], t.priority), t.opened_at desc
limit %(most)s;

-- name: evidence_picture
select picture, picture_type from ticket_evidence where ticket_id = %(id)s and picture is not null;

-- name: orders
-- Orders of the business system with what was made for them, those in hand first.
select
    o.id, o.number, o.connector, o.product, o.quantity::float as quantity, o.due, o.state, o.work_center,
    n.good, n.scrap, n.posted
from production_order as o
cross join lateral (
    select
        coalesce(sum(c.qty) filter (where c.kind = 'good' and c.is_final), 0)::bigint as good,
        coalesce(sum(c.qty) filter (where c.kind = 'scrap'), 0)::bigint as scrap,
        coalesce(sum(c.qty) filter (
            where c.kind = 'good' and c.is_final
            and case when c.outbox_id is not null
                then exists (select 1 from outbox as x where x.id = c.outbox_id and x.kind = 'wip_to_fg' and x.state = 'done')
                else exists (
                    select 1 from count_posting as p
                    inner join posting_event as e on p.posting_id = e.posting_id
                    inner join outbox as x on e.outbox_id = x.id
                    where p.count_id = c.id and p.kind = 'performance' and x.state = 'done'
                )
            end
        ), 0)::bigint - (
            -- What was taken back of it again.
            select coalesce(sum((x.payload ->> 'quantity')::numeric), 0)::bigint
            from outbox as x
            where
                x.connector = o.connector and x.payload ->> 'order_ref' = o.number and x.kind = 'reversal' and x.state = 'done'
                and x.payload -> 'reverses' ->> 'kind' in ('wip_to_fg', 'performance')
                and x.payload ->> 'quantity' ~ '^[0-9]{1,15}([.][0-9]{1,15})?$'
        ) as posted
    from production_count as c
    where c.order_number = o.number
) as n
order by array_position(array['released', 'planned', 'done', 'cancelled'], o.state), n.good > 0 desc, o.due nulls last, o.number
limit %(most)s;

-- name: shipments
select id, connector, number, order_ref, state, created_at, planned_at, due_at, shipped_at
from shipment
order by coalesce(shipped_at, planned_at, created_at) desc
limit %(most)s;

-- name: outbox
-- Postings by connector, kind and state, with the pieces that they carry.
select
    connector, kind, state, count(*) as rows, min(created_at) as oldest_at,
    coalesce(sum((payload ->> 'quantity')::numeric), 0)::float as quantity
from outbox
group by connector, kind, state
order by connector, kind, state;

-- name: newest_outbox
select
    id, connector, stream, seq, kind, state, attempts, external_id, last_error, created_at, done_at, next_at,
    (payload ->> 'quantity')::float as quantity
from outbox
order by (state = 'parked') desc, id desc
limit %(most)s;
