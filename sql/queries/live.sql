-- What the control tower follows and shows of machines, tags and readings.

-- name: machines
-- Every work unit with its present state, oldest knowledge first to last: state, since when, why, on which order.
select
    e.id, e.parent_id as line_id, l.name as line, e.name, e.path, e.class, e.position, e.is_final, e.ideal_cycle_s,
    coalesce(s.state, 'UNKNOWN') as state, coalesce(s.reason, '') as reason, s.since, c.order_number, c.last_piece_at
from equipment as e
left join equipment as l on l.id = e.parent_id
left join lateral (
    select m.state, m.reason, lower(m.during) as since
    from machine_state as m
    where m.equipment_id = e.id and m.during @> %(now)s::timestamptz
) as s on true
left join lateral (
    select p.order_number, p.ts as last_piece_at
    from production_count as p
    where p.equipment_id = e.id
    order by p.ts desc
    limit 1
) as c on true
where e.level = 'work_unit'
order by l.path, e.position, e.path;

-- name: tags
select t.id, t.equipment_id, t.name, t.unit, t.kind, t.datatype, t.source
from tag as t
order by t.equipment_id, t.name;

-- name: newest_readings
-- The newest reading of each tag that spoke within the span.
select t.id as tag_id, r.ts, r.value, r.text, r.quality
from unnest(%(tags)s::int []) as t (id)
cross join lateral (
    select ts, value, text, quality
    from reading
    where tag_id = t.id and ts >= %(since)s
    order by ts desc, ordinal desc
    limit 1
) as r;

-- name: listen_batch
listen amor_batch;

-- name: listen_live
listen amor_live;

-- name: lanes
-- The newest batch of each lane, one look into the index a lane however long the history.
with recursive known as (
    (select lane from batch order by lane limit 1)
    union all
    select (select b.lane from batch as b where b.lane > k.lane order by b.lane limit 1)
    from known as k
    where k.lane is not null
)
select k.lane, n.seq, n.source, n.received_at
from known as k
cross join lateral (
    select b.seq, b.source, b.received_at from batch as b where b.lane = k.lane order by b.seq desc limit 1
) as n;

-- name: newest_tag
select coalesce(max(id), 0) as id from tag;

-- name: batches_after
-- What came in on a lane after a batch: the newest batch and the span of source times. At most `most` batches.
select max(seq) as seq, min(min_ts) as min_ts, max(max_ts) as max_ts
from batch
where lane = %(lane)s and seq > %(after)s and seq <= %(after)s + %(most)s;

-- name: points
-- The newest reading of each tag in a stretch of batches.
select distinct on (tag_id) tag_id, (extract(epoch from ts) * 1000)::float as ms, value, text, quality
from reading
where tag_id = any(%(tags)s) and ts between %(min_ts)s and %(max_ts)s
and lane = %(lane)s and batch_seq > %(after)s and batch_seq <= %(to)s
order by tag_id, ts desc, ordinal desc;

-- name: trend
-- A tag's history, thinned to buckets: mean, lowest and highest of what is not bad; null where all of a bucket is bad.
select
    time_bucket(make_interval(secs => %(width_s)s), ts) as bucket, max(ts) as ts,
    avg(value) filter (where quality & 2147483648 = 0) as value,
    min(value) filter (where quality & 2147483648 = 0) as low,
    max(value) filter (where quality & 2147483648 = 0) as high
from reading
where tag_id = %(tag_id)s and ts >= %(start)s and ts < %(end)s
group by bucket
order by bucket;

-- name: states
-- A machine's states in a span, cut to it.
select lower(r.during) as starts_at, upper(r.during) as ends_at, r.state, r.reason
from (
    select during * tstzrange(%(start)s, %(end)s) as during, state, reason
    from machine_state
    where equipment_id = %(equipment_id)s and during && tstzrange(%(start)s, %(end)s)
) as r
order by lower(r.during);

-- name: rules
-- Active rules, for their limits.
select id, version, body from rule where active order by id;
