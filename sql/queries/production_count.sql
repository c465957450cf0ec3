-- Pieces, each traceable to its reading, and the postings that took them.

-- name: begin_epoch
insert into counter_epoch (tag_id, epoch, started_at, cause) values (%(tag_id)s, %(epoch)s, %(at)s, %(cause)s)
on conflict (tag_id, epoch) do nothing;

-- name: insert
insert into production_count (
    equipment_id, ts, tag_id, ordinal, order_number, lot, kind, qty, reason, is_final, counter_from, counter_to, key
)
values (
    %(equipment_id)s, %(at)s, %(tag_id)s, %(ordinal)s, %(order_number)s, %(lot)s, %(kind)s, %(qty)s, %(reason)s,
    %(is_final)s, %(counter_from)s, %(counter_to)s, %(key)s
)
on conflict (key) do nothing
returning id, pg_notify('amor_live', 'count:' || id);

-- name: unposted_machines
-- The machines that have good pieces of the final operation that no posting has taken.
select e.id, e.path, e.class
from equipment as e
where exists (
    select 1 from production_count as c
    where
        c.equipment_id = e.id and c.is_final and c.kind = 'good' and c.outbox_id is null and c.order_number is not null
        and c.ts >= %(since)s
)
order by e.id;

-- name: unposted
-- Good pieces of the final operation of some machines that no posting has taken, from when there first was a rule that posts.
select
    c.id, c.equipment_id, c.tag_id, c.ts, c.kind, c.qty, c.order_number, c.reason, c.is_final, c.lot, e.path, e.class,
    s.serial, s.pieces as serial_pieces
from production_count as c
inner join equipment as e on c.equipment_id = e.id
left join count_serial as s on c.id = s.count_id
where
    c.is_final and c.kind = 'good' and c.outbox_id is null and c.order_number is not null and c.ts >= %(since)s
    and c.equipment_id = any(%(machines)s::int [])
order by c.order_number, c.ts, c.id;

-- name: never_posted
-- How many of them no posting will take: without an order, and from before there was a rule that posts.
select
    coalesce(sum(qty) filter (where order_number is null), 0)::bigint as without_order,
    coalesce(sum(qty) filter (where order_number is not null and ts < %(since)s), 0)::bigint as before_the_rule
from production_count
where is_final and kind = 'good' and outbox_id is null;

-- name: posting_since
-- When each of these rules first was active with a posting of finished goods, which is what a posting without a kind is.
select r.id, min(r.loaded_at) as since
from rule as r
where
    r.id = any(%(ids)s::text []) and exists (
        select 1 from jsonb_array_elements(r.body -> 'actions') as a
        where a.value ? 'erp_posting' and coalesce(a.value -> 'erp_posting' ->> 'kind', 'wip_to_fg') = 'wip_to_fg'
    )
group by r.id;

-- name: lock_order
-- Postings of one order take turns, so that sequence and cumulative quantity are exact.
select pg_advisory_xact_lock(hashtextextended('amor posting|' || %(order_number)s, 0));

-- name: posted
-- What is kept of it, and what was posted since: `since` postings, the newest of all is `newest_id`. Beside it what people corrected,
-- whatever the connector: finished goods are posted once, and their counts stay as they are.
select
    coalesce(t.postings, 0) + s.postings as postings, coalesce(t.qty, 0) + s.qty as qty, s.postings as since, s.newest_id,
    m.postings as postings_moved, m.told as qty_moved
from (values (1)) as one
left join posted_total as t on t.order_number = %(order_number)s
cross join lateral (
    select count(distinct outbox_id)::bigint as postings, coalesce(sum(qty), 0)::bigint as qty, max(outbox_id) as newest_id
    from production_count
    where
        order_number = %(order_number)s and kind = 'good' and is_final and outbox_id is not null
        and outbox_id > coalesce(t.newest_id, 0)
) as s
cross join lateral (
    select coalesce(sum(postings), 0)::bigint as postings, trim_scale(coalesce(sum(told), 0)) as told
    from posting_correction
    where order_number = %(order_number)s and kind = 'wip_to_fg'
) as m;

-- name: keep_total
insert into posted_total (order_number, newest_id, postings, qty)
values (%(order_number)s, %(newest_id)s, %(postings)s, %(qty)s)
on conflict (order_number) do update
set newest_id = excluded.newest_id, postings = excluded.postings, qty = excluded.qty
where posted_total.newest_id < excluded.newest_id;

-- name: lock_unposted
select id, qty from production_count where id = any(%(ids)s::bigint []) and outbox_id is null order by id for update;

-- name: set_posted
update production_count set outbox_id = %(outbox_id)s where id = any(%(ids)s::bigint []) and outbox_id is null;
