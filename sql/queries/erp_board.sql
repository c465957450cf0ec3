-- What goes to business systems, as people see it: connectors, what waits for them, what events are made of.
-- Done is what has a done_at (by constraint), as the indexes say it. Payloads stand as they were written, or as a person edited them:
-- nothing of them is cast that could fail.

-- name: connectors
-- Each connector that is configured or that something is written for.
with waiting as (
    select
        connector, count(*) as waiting, count(*) filter (where state = 'parked') as parked,
        count(*) filter (where state <> 'parked' and last_error <> '') as failing, min(created_at) as oldest_at
    from outbox
    where done_at is null
    group by connector
),

today as (
    select
        connector, count(*) as posted,
        sum((payload ->> 'quantity')::numeric) filter (
            where kind = 'wip_to_fg' and payload ->> 'quantity' ~ '^[0-9]{1,30}([.][0-9]{1,30})?$'
        ) as pieces
    from outbox
    where done_at >= %(today)s
    group by connector
),

stop as (select connector, reason, actor, at from connector_stop where ended_at is null),

-- Several relays may serve a connector: it works where it works for one of them.
condition as (
    select distinct on (connector) connector, state, reason, since, until, heard_at
    from connector_condition
    where heard_at > now() - %(fresh)s
    order by connector, state <> 'works', since desc
),

known as (
    select unnest(%(configured)s::text []) as connector
    union
    select connector from waiting
    union
    select connector from today
    union
    select connector from stop
)

select
    k.connector, coalesce(w.waiting, 0) as waiting, coalesce(w.parked, 0) as parked, coalesce(w.failing, 0) as failing, w.oldest_at,
    coalesce(t.posted, 0) as posted_today, t.pieces as pieces_today,
    (select max(d.done_at) from outbox as d where d.connector = k.connector and d.done_at is not null) as last_success_at,
    s.reason as stop_reason, s.actor as stopped_by, s.at as stopped_at,
    c.state as condition, c.reason as condition_reason, c.since as condition_since, c.until as condition_until
from known as k
left join waiting as w on k.connector = w.connector
left join today as t on k.connector = t.connector
left join stop as s on k.connector = s.connector
left join condition as c on k.connector = c.connector
order by k.connector;

-- name: attention
-- What waits for a person, then what fails and is tried again, each the oldest first; with how many of its stream wait behind it.
with wanted as (
    select *
    from outbox
    where done_at is null and (state = 'parked' or last_error <> '')
    order by state <> 'parked', created_at, id
    limit %(most)s
)

select
    w.id, w.connector, w.stream, w.seq, w.kind, w.state, w.attempts, w.next_at, w.external_id, w.last_error, w.created_at, w.done_at,
    w.payload ->> 'order_ref' as order_ref, w.payload ->> 'ticket_id' as ticket_id, w.payload ->> 'item' as item,
    w.payload ->> 'uom' as uom, coalesce(w.payload ->> 'quantity', w.payload ->> 'yielded', w.payload ->> 'available') as quantity,
    (
        select count(*) from outbox as b
        where b.connector = w.connector and b.stream = w.stream and b.seq > w.seq and b.done_at is null
    ) as behind
from wanted as w
order by w.state <> 'parked', w.created_at, w.id;

-- name: parked
select id
from outbox
where connector = %(connector)s and done_at is null and state = 'parked'
order by id
limit %(most)s;

-- name: of_stream
-- All of a stream (an order, a ticket), the newest first.
select
    id, connector, stream, seq, kind, state, attempts, next_at, external_id, last_error, created_at, done_at,
    payload ->> 'order_ref' as order_ref, payload ->> 'ticket_id' as ticket_id, payload ->> 'item' as item,
    payload ->> 'uom' as uom, coalesce(payload ->> 'quantity', payload ->> 'yielded', payload ->> 'available') as quantity,
    0 as behind
from (select distinct unnest(%(connectors)s::text []) as name) as c
cross join lateral (
    -- By the stream's own index: an order may have a posting a piece.
    select *
    from outbox
    where connector = c.name and stream = %(stream)s
    order by seq desc
    limit %(most)s
) as o
order by id desc
limit %(most)s;

-- name: latest
-- What the systems took last: of each connector by its index, then of all.
select
    d.id, d.connector, d.stream, d.seq, d.kind, d.state, d.attempts, d.next_at, d.external_id, d.last_error, d.created_at, d.done_at,
    d.payload ->> 'order_ref' as order_ref, d.payload ->> 'ticket_id' as ticket_id, d.payload ->> 'item' as item,
    d.payload ->> 'uom' as uom, coalesce(d.payload ->> 'quantity', d.payload ->> 'yielded', d.payload ->> 'available') as quantity,
    0 as behind
from unnest(%(connectors)s::text []) as c (connector)
cross join lateral (
    select *
    from outbox
    where connector = c.connector and done_at is not null
    order by done_at desc
    limit %(most)s
) as d
order by d.done_at desc, d.id desc
limit %(most)s;

-- name: taken_back
-- What takes back of an event, and what an event takes back of.
select p.outbox_id, p.reverses_id, r.reason, r.actor, r.at, o.state, o.payload ->> 'quantity' as quantity
from reversal_part as p
inner join reversal as r on p.reversal_id = r.id
inner join outbox as o on p.outbox_id = o.id
where p.outbox_id = %(outbox_id)s or p.reverses_id = %(outbox_id)s
order by p.outbox_id
limit %(most)s;

-- name: counts
-- The pieces that a posting is made of, each with the reading that told of them and the batch that it came with, while these are kept;
-- and how many counts and pieces they are in all. Not by the view outbox_count, which would look at every count there is; a reading a row.
with made_of as (
    select c.*, count(*) over () as counts, sum(c.qty) over () as pieces
    from production_count as c
    where c.id in (
        select id from production_count where outbox_id = %(outbox_id)s
        union all
        select p.count_id
        from posting_event as v
        inner join count_posting as p on v.posting_id = p.posting_id
        where v.outbox_id = %(outbox_id)s
    )
    order by c.ts, c.id
    limit %(most)s
)

select
    c.id, c.ts, c.qty, c.kind, c.reason, c.order_number, c.counter_from, c.counter_to, c.ordinal, e.path as equipment,
    e.name as machine, e.id as equipment_id, t.name as tag, r.value as reading, r.lane, r.batch_seq, b.received_at,
    coalesce(s.serial, '') as serial, c.counts, c.pieces::bigint as pieces
from made_of as c
inner join equipment as e on c.equipment_id = e.id
inner join tag as t on c.tag_id = t.id
left join lateral (
    select value, lane, batch_seq from reading where tag_id = c.tag_id and ts = c.ts and ordinal = c.ordinal limit 1
) as r on true
left join batch as b on r.lane = b.lane and r.batch_seq = b.seq
left join count_serial as s on c.id = s.count_id
order by c.ts, c.id;
