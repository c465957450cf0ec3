-- What people mend in events that wait for them, where it changes the numbers of the order's other events.

-- name: parked
-- A parked row, which stays parked until the transaction ends.
select id, connector, stream, kind, payload from outbox where id = %(id)s and state = 'parked' for update;

-- name: followers
-- What comes behind a row for the same purpose: its sum has the row's quantity in it.
select
    count(*) filter (where state not in ('pending', 'parked')) as under_way,
    count(*) as events,
    count(*) filter (where coalesce(payload ->> 'cumulative', '') !~ '^[0-9]{1,20}([.][0-9]{1,20})?$') as unreadable
from outbox
where
    connector = %(connector)s and stream = %(stream)s and kind = %(kind)s and coalesce(payload ->> 'item', '') = %(item)s
    and payload ->> 'order_ref' = %(order_number)s
    and seq > (select seq from outbox where id = %(id)s);

-- name: shift_followers
with behind as (
    select id, payload
    from outbox
    where
        connector = %(connector)s and stream = %(stream)s and kind = %(kind)s and coalesce(payload ->> 'item', '') = %(item)s
        and payload ->> 'order_ref' = %(order_number)s
        and seq > (select seq from outbox where id = %(id)s)
),

changed as (
    update outbox
    set
        payload = jsonb_set(
            behind.payload, '{cumulative}',
            to_jsonb(trim_scale((behind.payload ->> 'cumulative')::numeric + %(shift)s::numeric)::text)
        ),
        checkpoint = '{}'
    from behind
    where outbox.id = behind.id
    returning outbox.id, behind.payload as before, outbox.payload as after
)

insert into outbox_edit (outbox_id, actor, reason, before, after)
select id, %(actor)s, %(because)s, before, after from changed;

-- name: before
-- The sum of the purpose's events before a row.
select payload ->> 'cumulative' as cumulative
from outbox
where
    connector = %(connector)s and stream = %(stream)s and kind = %(kind)s and coalesce(payload ->> 'item', '') = %(item)s
    and payload ->> 'order_ref' = %(order_number)s
    and seq < (select seq from outbox where id = %(id)s)
order by seq desc
limit 1;

-- name: newest
-- The newest event of an order for a purpose: what comes next is numbered on from it.
select payload ->> 'sequence' as sequence, payload ->> 'cumulative' as cumulative
from outbox
where
    connector = %(connector)s and stream = %(order_number)s and kind = %(kind)s and coalesce(payload ->> 'item', '') = %(item)s
    and payload ->> 'order_ref' = %(order_number)s and id <> %(id)s
order by seq desc
limit 1;

-- name: move
-- To the end of another stream.
update outbox
set
    stream = %(stream)s,
    seq = (select coalesce(max(o.seq), 0) + 1 from outbox as o where o.connector = outbox.connector and o.stream = %(stream)s)
where id = %(id)s
returning pg_notify('amor_outbox', connector);

-- name: insert
insert into posting_correction (
    outbox_id, actor, reason, connector, kind, item, order_number, uom, postings, told, moved, newest_posting
)
values (
    %(id)s, %(actor)s, %(reason)s, %(connector)s, %(kind)s, %(item)s, %(order_number)s, %(uom)s, %(postings)s, %(told)s, %(moved)s,
    coalesce(
        (
            select max(p.id) from posting as p
            where
                p.connector = %(connector)s and p.kind = %(kind)s and p.item = %(item)s and p.order_number = %(order_number)s
        ),
        0
    )
);
