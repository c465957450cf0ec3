-- Serial numbers: which counted piece a reading named, and which numbers a business system was given.

-- name: give
-- The pieces of one instant that no reading named yet.
with at_once as (
    select id, sum(qty) over () as pieces
    from production_count
    where equipment_id = %(equipment_id)s and ts = %(counted_at)s
)

insert into count_serial (count_id, serial, pieces, tag_id, read_at, ordinal)
select id, %(serial)s, pieces, %(tag_id)s, %(at)s, %(ordinal)s from at_once
on conflict do nothing
returning count_id, pieces::int;

-- name: posted
-- Those of some numbers that a system has for what an order makes. Where the product of one of them is unknown it is taken for the same.
with wanted as (
    select coalesce((select product from production_order where number = %(order_number)s), '') as item
)

select p.serial, p.outbox_id
from posted_serial as p
cross join wanted
where
    p.connector = %(connector)s and p.serial = any(%(serials)s::text [])
    and (p.item = wanted.item or p.item = '' or wanted.item = '');
