-- What is taken back of what was posted.

-- name: lock_order
-- The lock that postings of the order take as well (production_count.sql): what is left to take back stays so until the end.
select pg_advisory_xact_lock(hashtextextended('amor posting|' || %(order_number)s, 0));

-- name: written
-- What a key has taken back already.
select
    r.connector, r.order_number, r.quantity,
    array(select p.outbox_id from reversal_part as p where p.reversal_id = r.id order by p.outbox_id) as outbox_ids,
    array(select p.reverses_id from reversal_part as p where p.reversal_id = r.id order by p.outbox_id) as reverses_ids
from reversal as r
where r.key = %(key)s;

-- name: posted
-- Good pieces that were posted to an order, newest first (the first so many of them, or all where that is null), with what was taken back of each: done, on its way or parked, all of it
-- counts. Quantities stay texts: a person may have written anything into a parked one.
with posted as (
    select id, stream, state, payload ->> 'event_id' as event_id, payload ->> 'quantity' as quantity
    from outbox
    where connector = %(connector)s and kind = 'wip_to_fg' and payload ->> 'order_ref' = %(order_number)s
    order by id desc
    limit %(most)s
)

select
    p.id, p.stream, p.state, p.event_id, p.quantity,
    coalesce(array_agg(coalesce(r.payload ->> 'quantity', '')) filter (where r.id is not null), '{}') as taken_back
from posted as p
left join outbox as r
    on
        r.connector = %(connector)s and r.kind = 'reversal'
        and r.payload -> 'reverses' -> 'payload' ->> 'event_id' = p.event_id
group by p.id, p.stream, p.state, p.event_id, p.quantity
order by p.id desc;

-- name: event
-- Any event, with what was taken back of it.
select
    o.id, o.connector, o.stream, o.state, o.kind, o.payload ->> 'event_id' as event_id, o.payload ->> 'order_ref' as order_number,
    o.payload ->> 'quantity' as quantity, o.payload ->> 'yielded' as yielded, o.payload ->> 'scrapped' as scrapped,
    coalesce(array_agg(coalesce(r.payload ->> 'quantity', '')) filter (where r.id is not null), '{}') as taken_back
from outbox as o
left join outbox as r
    on
        r.connector = o.connector and r.kind = 'reversal'
        and r.payload -> 'reverses' -> 'payload' ->> 'event_id' = o.payload ->> 'event_id'
where o.id = %(id)s
group by o.id;

-- name: payload
select kind, payload from outbox where id = %(id)s;

-- name: insert
insert into reversal (key, connector, order_number, quantity, reason, actor, at)
values (%(key)s, %(connector)s, %(order_number)s, %(quantity)s, %(reason)s, %(actor)s, %(at)s)
on conflict (key) do nothing
returning id;

-- name: insert_part
insert into reversal_part (outbox_id, reversal_id, reverses_id) values (%(outbox_id)s, %(reversal_id)s, %(reverses_id)s);

-- name: decision
-- Who decided that a row of the outbox takes something back.
select r.key, r.order_number, r.quantity, r.reason, r.actor, r.at
from reversal_part as p
inner join reversal as r on p.reversal_id = r.id
where p.outbox_id = %(outbox_id)s;
