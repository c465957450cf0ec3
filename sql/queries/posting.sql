-- What rules post besides finished goods: which counts are waiting, and what was taken by which posting.

-- name: since
-- When a rule first was active with a posting for this purpose, whatever its version; null where it is not yet.
select min(loaded_at) as since
from rule
where id = %(rule_id)s and exists (select 1 from unnest(%(actions)s::jsonb []) as a (action) where body -> 'actions' @> a.action);

-- name: marks
select rule_id, connector, kind, item, settled_to from posting_mark where rule_id = any(%(rules)s::text []);

-- name: set_mark
insert into posting_mark (rule_id, connector, kind, item, settled_to)
values (%(rule_id)s, %(connector)s, %(kind)s, %(item)s, %(settled_to)s)
on conflict (rule_id, connector, kind, item) do update set settled_to = excluded.settled_to;

-- name: newest_count
select coalesce(max(id), 0)::bigint as id from production_count;

-- name: untaken
-- Counts with an order that no posting of these connectors took for the purpose, behind the rule's mark.
select
    c.id, c.equipment_id, c.tag_id, c.ts, c.kind, c.qty, c.order_number, c.reason, c.is_final, c.lot, e.path, e.class,
    s.serial, s.pieces as serial_pieces
from production_count as c
inner join equipment as e on c.equipment_id = e.id
left join count_serial as s on c.id = s.count_id
where
    c.id > %(settled_to)s and c.ts >= %(since)s and c.kind = any(%(counted)s::text []) and c.order_number is not null
    and not exists (
        select 1 from count_posting as p
        where p.count_id = c.id and p.connector = any(%(connectors)s::text []) and p.kind = any(%(kinds)s::text []) and p.item = %(item)s
    )
order by c.order_number, c.ts, c.id;

-- name: lock_untaken
-- Those of some counts that still wait for the purpose.
select c.id, c.kind, c.qty
from production_count as c
where
    c.id = any(%(ids)s::bigint []) and not exists (
        select 1 from count_posting as p
        where p.count_id = c.id and p.connector = %(connector)s and p.kind = any(%(kinds)s::text []) and p.item = %(item)s
    )
order by c.id
for update;

-- name: newest
-- How far an order is for a purpose: the number of its newest posting, and all that was posted in a unit. Where a rule went over to
-- another unit, what was posted in the one before is no part of a sum in this one. What people corrected after the newest posting is
-- added; what they corrected before is in its own numbers.
select coalesce(p.sequence, 0) + m.postings as sequence, coalesce(s.cumulative, 0) + m.told as cumulative
from (values (1)) as one
left join lateral (
    select id, sequence from posting
    where connector = %(connector)s and kind = %(kind)s and item = %(item)s and order_number = %(order_number)s
    order by sequence desc
    limit 1
) as p on true
left join lateral (
    select cumulative from posting
    where
        connector = %(connector)s and kind = %(kind)s and item = %(item)s and order_number = %(order_number)s
        and uom = %(uom)s
    order by sequence desc
    limit 1
) as s on true
cross join lateral (
    select
        coalesce(sum(postings), 0)::bigint as postings,
        trim_scale(coalesce(sum(told) filter (where uom = %(uom)s), 0)) as told
    from posting_correction
    where
        order_number = %(order_number)s and kind = %(kind)s and connector = %(connector)s and item = %(item)s
        and newest_posting = coalesce(p.id, 0)
) as m;

-- name: is_performance_open
-- Whether a machine's performance of an order was told, and not as the final one.
select not is_final as is_open
from posting
where kind = 'performance' and order_number = %(order_number)s and connector = %(connector)s and equipment_id = %(equipment_id)s
order by id desc
limit 1;

-- name: insert
-- A posting, the rows of the outbox that carry it and the counts that it takes.
with made as (
    insert into posting (
        connector, kind, item, order_number, sequence, rule_id, equipment_id, quantity, cumulative, uom, is_final
    )
    values (
        %(connector)s, %(kind)s, %(item)s, %(order_number)s, %(sequence)s, %(rule_id)s, %(equipment_id)s, %(quantity)s,
        %(cumulative)s, %(uom)s, %(is_final)s
    )
    returning id, connector, kind, item
),

carried as (
    insert into posting_event (outbox_id, posting_id)
    select o.id, made.id from made cross join unnest(%(outbox_ids)s::bigint []) as o (id)
)

insert into count_posting (count_id, connector, kind, item, posting_id)
select c.id, made.connector, made.kind, made.item, made.id from made cross join unnest(%(counts)s::bigint []) as c (id);

-- name: traced
-- The counts of an event, each with the reading that told of it and the batch that the reading came with, where they are still kept.
select
    c.id, e.path, t.name as tag, c.ts, c.kind, c.qty, c.order_number, c.lot, c.reason, c.counter_from, c.counter_to, r.value as reading,
    r.lane, r.batch_seq, b.received_at, s.serial, s.pieces as serial_pieces, s.read_at as serial_at
from outbox_count as x
inner join production_count as c on x.count_id = c.id
inner join equipment as e on c.equipment_id = e.id
inner join tag as t on c.tag_id = t.id
left join reading as r on c.tag_id = r.tag_id and c.ts = r.ts and c.ordinal = r.ordinal
left join batch as b on r.lane = b.lane and r.batch_seq = b.seq
left join count_serial as s on c.id = s.count_id
where x.outbox_id = %(outbox_id)s
order by c.ts, c.id
limit %(most)s;
