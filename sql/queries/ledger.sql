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
    coalesce(sum(qty) filter (where kind = 'good' and is_final and outbox_id is null), 0)::bigint as good_without_posting
from production_count;

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
select coalesce(sum((payload ->> 'quantity')::numeric), 0) as posted
from outbox where kind = 'wip_to_fg' and state = 'done';

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
