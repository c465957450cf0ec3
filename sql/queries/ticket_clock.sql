-- The clocks of tickets: response and restoration against what was promised.

-- name: start
insert into ticket_clock (ticket_id, kind, round, started_at, target, hours, next_at)
values (%(ticket_id)s, %(kind)s, %(round)s, %(at)s, %(target)s, %(hours)s, now())
on conflict do nothing;

-- name: retarget
-- A higher priority is promised more: the clock goes on from where it started.
update ticket_clock set target = %(target)s, hours = %(hours)s, next_at = now()
where ticket_id = %(ticket_id)s and kind = %(kind)s and stopped_at is null;

-- name: stop
-- It is judged once more, up to here.
update ticket_clock
set stopped_at = greatest(started_at, least(%(at)s::timestamptz, now())), next_at = now()
where ticket_id = %(ticket_id)s and kind = any(%(kinds)s::text []) and stopped_at is null;

-- name: look_again
update ticket_clock set next_at = now() where ticket_id = %(ticket_id)s and stopped_at is null;

-- name: due
-- Two workers never judge the same clock, and neither waits for the other.
select
    c.ticket_id, c.kind, c.round, c.started_at, c.stopped_at, c.target, c.hours, c.warned_at, c.breached_at,
    t.priority, t.title, t.state, t.failure_mode, t.assignee, e.path as equipment,
    coalesce((
        select jsonb_agg(jsonb_build_array(lower(p.during), upper(p.during)) order by p.during)
        from ticket_pause as p
        where p.ticket_id = c.ticket_id
    ), '[]') as pauses
from ticket_clock as c
inner join ticket as t on c.ticket_id = t.id
inner join equipment as e on t.equipment_id = e.id
where c.next_at <= now()
order by c.next_at
limit %(most)s
for update of c skip locked;

-- name: judged
update ticket_clock
set due_at = %(due_at)s, warned_at = %(warned_at)s, breached_at = %(breached_at)s, next_at = %(next_at)s
where ticket_id = %(ticket_id)s and kind = %(kind)s and round = %(round)s;

-- name: of_ticket
select
    c.kind, c.round, c.started_at, c.stopped_at, extract(epoch from c.target)::double precision as target_s, c.hours, c.due_at,
    c.warned_at, c.breached_at
from ticket_clock as c
where c.ticket_id = %(ticket_id)s
order by c.round, c.kind;

-- name: kept
-- How well promises were kept, by priority, of the clocks that were stopped in a span.
select
    t.priority, c.kind, count(*) as clocks, count(*) filter (where c.breached_at is null) as kept,
    percentile_cont(0.5) within group (order by extract(epoch from c.stopped_at - c.started_at))::double precision as median_s
from ticket_clock as c
inner join ticket as t on c.ticket_id = t.id
where c.stopped_at >= %(start)s and c.stopped_at < %(end)s
group by t.priority, c.kind
order by array_position(array['critical', 'high', 'medium', 'low'], t.priority), c.kind;
