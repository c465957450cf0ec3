-- Figures of alarm load: what called people, by unit (console, area or line).

-- name: counts
-- How often each source called people.
select rule_id, equipment_id, severity, count(*) as alarms, max(at) as last_at
from alarm_event
where kind = 'RAISE' and annunciated and superseded_at is null and at >= %(start)s and at < %(end)s
group by rule_id, equipment_id, severity;

-- name: times
-- When people were called in each unit, seconds since 1970; read in the order of time.
select m.unit, array_agg(v.at) as times
from (
    select equipment_id, extract(epoch from at)::double precision as at
    from alarm_event
    where kind = 'RAISE' and annunciated and superseded_at is null and at >= %(start)s and at < %(end)s
    order by alarm_event.at
) as v
inner join unnest(%(equipment)s::int [], %(units)s::text []) as m (equipment_id, unit) on v.equipment_id = m.equipment_id
group by m.unit;

-- name: chattering
-- Sources that called three times or more within a minute: how often they did, and when last.
select c.rule_id, c.equipment_id, count(*) as times, max(c.at) as last_at
from (
    select rule_id, equipment_id, at, lag(at, %(more)s) over (partition by rule_id, equipment_id order by at) as before
    from alarm_event
    where kind = 'RAISE' and annunciated and superseded_at is null and at >= %(start)s and at < %(end)s
) as c
where c.at - c.before <= interval '1 minute'
group by c.rule_id, c.equipment_id;

-- name: stale
-- Alarms that have stood for longer than a day and call people.
select a.id, a.rule_id, a.equipment_id, a.severity, a.raised_at
from alarm as a
where
    a.closed_at is null and a.raised_at < %(before)s and not a.shadow
    and a.state in ('ACTIVE_UNACK', 'ACTIVE_ACK', 'RECOVERING')
    and alarm_overlay(a.rule_id, a.equipment_id, a.suppressed_by, now()) is null;

-- name: for_groups
-- The alarms that stand and call people, and those that came with them and are over already; `line_id` is the line, or what else the
-- rule names as its group.
with standing as (
    select min(raised_at) as first_at from alarm where closed_at is null and not shadow
)

select a.id, a.raised_at, a.closed_at is null as is_open, e.position, l.id as line_id
from alarm as a
inner join equipment as e on a.equipment_id = e.id
left join rule as r on a.rule_id = r.id and a.rule_version = r.version
left join equipment as l
    on
        (l.id = e.id or starts_with(e.path, l.path || '/'))
        and l.level = coalesce(nullif(r.body ->> 'group', 'line'), 'work_center')
cross join standing as s
where
    not a.shadow and a.retracted_at is null and a.held_back is null
    and (a.closed_at is null or a.raised_at >= greatest(s.first_at, %(earliest)s) - %(span)s)
order by a.raised_at desc
limit 5000;
