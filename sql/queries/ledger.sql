-- name: one_snapshot
-- The first statement of a transaction: what comes after sees the database as it is at one instant.
set local transaction_isolation = 'repeatable read';

-- name: readings
select
    (select count(*) from reading) as stored,
    (select coalesce(sum(duplicates), 0)::bigint from batch) as duplicates,
    (select count(*) from dead_letter) as dead_letters;

-- name: stored_by_source
select b.source, count(*) as stored
from reading as r
inner join batch as b on r.lane = b.lane and r.batch_seq = b.seq
group by b.source
order by b.source;

-- name: counts
select
    coalesce(sum(qty) filter (where kind = 'good' and is_final), 0)::bigint as good,
    coalesce(sum(qty) filter (where kind = 'scrap'), 0)::bigint as scrap,
    coalesce(sum(qty) filter (where kind = 'good' and is_final and order_number is null), 0)::bigint as good_without_order,
    coalesce(sum(qty) filter (
        where kind = 'good' and is_final and outbox_id is null
        and not exists (select 1 from count_posting as p where p.count_id = c.id and p.kind = 'performance')
    ), 0)::bigint as good_without_posting
from production_count as c;

-- name: scrap_without_posting
-- Scrap of orders that is to be posted, as rules that are active say, and is not yet.
select coalesce(sum(c.qty), 0)::bigint as pieces
from production_count as c
where
    c.kind = 'scrap' and c.order_number is not null
    and exists (select 1 from rule where active and body -> 'actions' @> '[{"erp_posting": {"kind": "scrap"}}]')
    and not exists (select 1 from count_posting as p where p.count_id = c.id and p.kind in ('scrap', 'reversal'));

-- name: material_without_posting
-- Pieces of machines of which others were posted as consumption of an item, and these are not yet.
select coalesce(sum(c.qty), 0)::bigint as pieces
from (
    select distinct t.equipment_id, t.kind as counted, p.connector, p.item
    from count_posting as p
    inner join production_count as t on p.count_id = t.id
    where p.kind = 'consumed'
) as u
inner join production_count as c on u.equipment_id = c.equipment_id and u.counted = c.kind
where
    c.order_number is not null and not exists (
        select 1 from count_posting as p
        where p.count_id = c.id and p.connector = u.connector and p.kind = 'consumed' and p.item = u.item
    );

-- name: tickets
select count(*) as tickets, coalesce(sum(occurrences), 0)::bigint as occurrences from ticket;

-- name: tickets_by_fault
select e.path, t.failure_mode, count(*) as n
from ticket as t
inner join equipment as e on t.equipment_id = e.id
group by e.path, t.failure_mode;

-- name: evidence_pending
select count(*) as pending from ticket_evidence where completed_at is null;

-- name: posted
-- Good pieces in the business systems: finished goods, and where there are none what performances of final machines yielded; less what was
-- taken back.
with done as (
    select id, kind, (payload ->> 'quantity')::numeric as quantity, payload -> 'reverses' ->> 'kind' as reverses
    from outbox
    where state = 'done' and kind in ('wip_to_fg', 'performance', 'reversal')
)

select coalesce((select sum(quantity) from done where kind = 'wip_to_fg'), 0)
    + coalesce((
        select sum(c.qty)
        from production_count as c
        where c.kind = 'good' and c.is_final and c.outbox_id is null and exists (
            select 1 from count_posting as p
            inner join posting_event as e on p.posting_id = e.posting_id
            inner join done as d on e.outbox_id = d.id
            where p.count_id = c.id and p.kind = 'performance'
        )
    ), 0)
    - coalesce((select sum(quantity) from done where kind = 'reversal' and reverses = 'wip_to_fg'), 0) as posted;

-- name: scrap_posted
-- Less what a person took back of it.
select coalesce(sum(case kind when 'scrap' then 1 else -1 end * (payload ->> 'quantity')::numeric), 0) as posted
from outbox
where state = 'done' and (kind = 'scrap' or (kind = 'reversal' and payload -> 'reverses' ->> 'kind' = 'scrap'));

-- name: material_posted
-- What was consumed of each item, by what the business systems were told; less what a person took back of it.
select item, sum(quantity) as quantity
from (
    select payload ->> 'item' as item, (payload ->> 'quantity')::numeric as quantity
    from outbox
    where kind = 'consumed' and state = 'done'
    union all
    select payload -> 'reverses' -> 'payload' ->> 'item' as item, -(payload ->> 'quantity')::numeric as quantity
    from outbox
    where kind = 'reversal' and payload -> 'reverses' ->> 'kind' = 'consumed' and state = 'done'
) as told
group by item;

-- name: outbox_states
select state, count(*) as n from outbox group by state;

-- name: rules_behind
select coalesce(sum(head.seq - coalesce(c.seq, 0)), 0)::bigint as batches
from (select lane, max(seq) as seq from batch group by lane) as head
left join lane_cursor as c on head.lane = c.lane and c.worker = 'rules';

-- name: message_to_commit
-- From source time to the commit of its transaction, milliseconds; needs track_commit_timestamp = on. Redeliveries after a
-- crash are in it: they were late.
select
    source,
    count(*) as n,
    percentile_cont(array[0.5, 0.95, 0.99]) within group (order by late_ms) as ms
from (
    select b.source, extract(epoch from pg_xact_commit_timestamp(b.xmin) - r.ts) * 1000 as late_ms
    from batch as b
    inner join reading as r on b.lane = r.lane and b.seq = r.batch_seq and r.ts between b.min_ts and b.max_ts
) as measured
group by grouping sets ((), (source));

-- name: keeps_commit_times
select current_setting('track_commit_timestamp') = 'on' as kept;

-- name: good_by_order
select order_number, sum(qty)::bigint as good
from production_count
where kind = 'good' and is_final and order_number is not null
group by order_number;

-- name: active_rules
select count(*) as n from rule where active;
