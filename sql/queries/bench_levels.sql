-- amor bench levels: from a posting to the shop that hears of it.

-- name: post
-- One more piece of the order, as the rules write it.
with next as (
    select coalesce(max(seq), 0) + 1 as n from outbox where connector = 'erp' and stream = %(order_number)s
),

made as (
    insert into outbox (connector, stream, seq, kind, payload, key)
    select
        'erp', %(order_number)s, n, 'wip_to_fg',
        jsonb_build_object(
            'event_id', gen_random_uuid(), 'order_ref', %(order_number)s, 'sequence', n,
            'occurred_at', '2026-07-01T00:00:00+00:00', 'quantity', '1', 'cumulative', n::text, 'uom', '1',
            'equipment', 'acme/bench/area/line/m'
        ),
        'bench ' || n
    from next
    returning id
)

select pg_notify('amor_outbox', 'erp') from made;

-- name: levels
select count(*) as n from outbox where kind = 'availability' and state = 'done';

-- name: open
select count(*) as n from outbox where done_at is null;

-- name: heard
-- What each posting waited, milliseconds: from its writing to the shop's receipt of the first level that has it.
with level as (
    select done_at, (payload ->> 'available')::numeric as available
    from outbox
    where kind = 'availability' and state = 'done'
),

posting as (
    select
        p.created_at, p.done_at,
        (select min(available) from level) + row_number() over (order by p.id) as available
    from outbox as p
    where p.kind = 'wip_to_fg'
),

heard as (
    select
        extract(epoch from done_at - created_at)::float * 1000 as document_ms,
        (
            select extract(epoch from min(l.done_at) - p.created_at)::float * 1000
            from level as l
            where l.available >= p.available
        ) as level_ms
    from posting as p
)

select
    count(*) filter (where level_ms is not null) as n,
    (select count(*) from level) as levels,
    percentile_cont(array[0.5, 0.95, 0.99]) within group (order by document_ms) as document_ms,
    percentile_cont(array[0.5, 0.95, 0.99]) within group (order by level_ms) as level_ms
from heard;
