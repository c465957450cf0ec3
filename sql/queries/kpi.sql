-- What the KPIs of ISO 22400-2 are computed from: sums per machine, never ratios.

-- name: current_shift
-- The shift of an instant, or the newest one that began before it.
select name, lower(during) as starts_at, upper(during) as ends_at, planned_rate_per_h
from calendar_shift
where lower(during) <= %(now)s
order by lower(during) desc
limit 1;

-- name: machine_sums
-- Planned time is the calendar's share of the window; where no shift touches the window, it is the whole window.
-- Known time is planned time with a known state; an open interval ends with the window.
with span as (
    select tstzrange(%(start)s, %(end)s) as during
),
planned as (
    select coalesce(
        (select range_agg(c.during * s.during) from calendar_shift as c where c.during && s.during),
        tstzmultirange(s.during)
    ) as times
    from span as s
)
select
    e.id as equipment_id, e.parent_id as line_id, e.name, e.path, e.position, e.is_final, e.ideal_cycle_s,
    (select coalesce(sum(extract(epoch from upper(r) - lower(r))), 0) from unnest(p.times) as r)::float as planned_s,
    t.run_s, t.setup_s, t.delay_s, t.planned_stop_s, t.unplanned_stop_s, t.maintenance_s, t.failures,
    n.good, n.scrap, n.rework, n.planned_good, n.planned_scrap, n.posted, n.due
from equipment as e
cross join planned as p
cross join span as s
cross join lateral (
    select
        coalesce(sum(i.seconds) filter (where i.state = 'RUNNING'), 0)::float as run_s,
        coalesce(sum(i.seconds) filter (where i.state = 'SETUP'), 0)::float as setup_s,
        coalesce(sum(i.seconds) filter (where i.state in ('IDLE', 'BLOCKED', 'STARVED')), 0)::float as delay_s,
        coalesce(sum(i.seconds) filter (where i.state = 'PLANNED_STOP'), 0)::float as planned_stop_s,
        coalesce(sum(i.seconds) filter (where i.state = 'UNPLANNED_STOP'), 0)::float as unplanned_stop_s,
        coalesce(sum(i.seconds) filter (where i.state = 'MAINTENANCE'), 0)::float as maintenance_s,
        count(*) filter (where i.state = 'UNPLANNED_STOP' and lower(i.during) <@ s.during) as failures
    from (
        select
            m.state, m.during,
            (
                select sum(extract(epoch from upper(r) - lower(r)))
                from unnest(p.times * tstzmultirange(m.during)) as r
            ) as seconds
        from machine_state as m
        where m.equipment_id = e.id and m.during && s.during
    ) as i
) as t
cross join lateral (
    select
        coalesce(sum(c.qty) filter (where c.kind = 'good'), 0)::bigint as good,
        coalesce(sum(c.qty) filter (where c.kind = 'scrap'), 0)::bigint as scrap,
        coalesce(sum(c.qty) filter (where c.kind = 'rework'), 0)::bigint as rework,
        coalesce(sum(c.qty) filter (where c.kind = 'good' and c.ts <@ p.times), 0)::bigint as planned_good,
        coalesce(sum(c.qty) filter (where c.kind = 'scrap' and c.ts <@ p.times), 0)::bigint as planned_scrap,
        coalesce(sum(c.qty) filter (
            where c.kind = 'good' and c.is_final
            and case when c.outbox_id is not null
                then exists (select 1 from outbox as o where o.id = c.outbox_id and o.kind = 'wip_to_fg' and o.state = 'done')
                else exists (
                    select 1 from count_posting as p
                    inner join posting_event as e on p.posting_id = e.posting_id
                    inner join outbox as o on e.outbox_id = o.id
                    where p.count_id = c.id and p.kind = 'performance' and o.state = 'done'
                )
            end
        ), 0)::bigint as posted,
        coalesce(sum(c.qty) filter (
            where c.kind = 'good' and c.is_final and c.ts < %(end)s::timestamptz - %(posting_time)s::interval
        ), 0)::bigint as due
    from production_count as c
    where c.equipment_id = e.id and c.ts >= %(start)s and c.ts < %(end)s
) as n
where e.level = 'work_unit'
order by e.path;

-- name: plan
-- What the calendar planned for the window: hours of shifts in it, and pieces where a rate is given.
select
    coalesce(sum(t.hours), 0)::float as hours,
    sum(t.hours * c.planned_rate_per_h)::float as pieces
from calendar_shift as c
cross join lateral (
    select extract(epoch from upper(r.during) - lower(r.during)) / 3600 as hours
    from (select c.during * tstzrange(%(start)s, %(end)s) as during) as r
) as t
where c.during && tstzrange(%(start)s, %(end)s);

-- name: counted_before
-- Pieces per machine since the beginning, up to an instant.
select equipment_id, sum(qty) filter (where kind = 'good')::bigint as good, sum(qty) filter (where kind = 'scrap')::bigint as scrap
from production_count
where ts < %(before)s
group by equipment_id;

-- name: counted_since
select e.id as equipment_id, n.good, n.scrap
from equipment as e
cross join lateral (
    select
        coalesce(sum(c.qty) filter (where c.kind = 'good'), 0)::bigint as good,
        coalesce(sum(c.qty) filter (where c.kind = 'scrap'), 0)::bigint as scrap
    from production_count as c
    where c.equipment_id = e.id and c.ts >= %(since)s
) as n
where e.level = 'work_unit';

-- name: lead_time
-- Order to ship, hours: continuous percentiles over what left in the span.
select
    count(*) as shipments,
    percentile_cont(0.5) within group (order by t.hours) as p50,
    percentile_cont(0.9) within group (order by t.hours) as p90,
    percentile_cont(0.95) within group (order by t.hours) as p95
from (
    select extract(epoch from shipped_at - created_at) / 3600 as hours
    from shipment
    where shipped_at >= %(start)s and shipped_at < %(end)s
) as t;
