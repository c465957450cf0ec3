-- name: fill
-- Events of %(streams)s orders, %(each)s pieces of each one by one, as the rules write them.
insert into outbox (connector, stream, seq, kind, payload, key)
select
    'bench', %(prefix)s || '-' || lpad(s::text, 6, '0'), n, 'wip_to_fg',
    jsonb_build_object(
        'event_id', gen_random_uuid(), 'order_ref', %(prefix)s || '-' || lpad(s::text, 6, '0'), 'sequence', n,
        'occurred_at', '2026-07-01T00:00:00+00:00', 'quantity', '1', 'cumulative', n::text, 'uom', '1',
        'equipment', 'acme/bench/area/line/m'
    ),
    %(prefix)s || ':' || s || ':' || n
from generate_series(1, %(streams)s) as s
cross join generate_series(1, %(each)s) as n
order by n, s;

-- name: wake
select pg_notify('amor_outbox', 'bench');

-- name: open
select count(*) as n from outbox where done_at is null;

-- name: done
-- How many events of some orders are done, how long that took, and what each waited from its writing, milliseconds.
select
    count(*) as n,
    extract(epoch from max(done_at) - min(created_at))::float as seconds,
    percentile_cont(array[0.5, 0.95, 0.99]) within group (order by extract(epoch from done_at - created_at)::float * 1000) as ms
from outbox
where state = 'done' and stream like %(prefix)s || '-%%';

-- name: empty
truncate outbox cascade;

-- name: analyze
analyze outbox;

-- name: span
-- From the first event's end to the last one's.
select extract(epoch from max(done_at) - min(done_at))::float as seconds
from outbox
where state = 'done' and stream like %(prefix)s || '-%%';
