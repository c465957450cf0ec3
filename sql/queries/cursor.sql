-- Following lanes: how far a worker is, the batches after it, and their readings.

-- name: listen
listen amor_batch;

-- name: ensure
-- A cursor for every lane that has batches, and for those that are named. Lanes are found by hopping over the primary key.
with recursive hop (lane) as (
    (select lane from batch order by lane limit 1)
    union all
    select (select b.lane from batch as b where b.lane > hop.lane order by b.lane limit 1) from hop where hop.lane is not null
)

insert into lane_cursor (worker, lane)
select %(worker)s, lane from hop where lane is not null
union
select %(worker)s, unnest(%(lanes)s::smallint [])
on conflict do nothing;

-- name: lock
select lane, seq, updated_at from lane_cursor where worker = %(worker)s order by lane for update;

-- name: move
update lane_cursor as c
set seq = m.seq, updated_at = clock_timestamp()
from unnest(%(lanes)s::smallint [], %(seqs)s::bigint []) as m (lane, seq)
where c.worker = %(worker)s and c.lane = m.lane
returning c.lane, c.updated_at;

-- name: batches
select b.lane, b.seq, b.source, b.received_at, b.rows, b.min_ts, b.max_ts
from unnest(%(lanes)s::smallint [], %(seqs)s::bigint []) as after (lane, seq)
cross join lateral (
    select lane, seq, source, received_at, rows, min_ts, max_ts
    from batch
    where lane = after.lane and seq > after.seq
    order by seq
    limit %(most)s
) as b
order by b.lane, b.seq;

-- name: readings
-- Of some tags, in batches of one lane whose source times are within the span: runs on the unique index of readings.
select tag_id, ts, ordinal, value, text, quality, lane, batch_seq
from reading
where
    tag_id = any(%(tags)s::int [])
    and ts between %(first)s and %(last)s
    and lane = %(lane)s
    and batch_seq between %(from)s and %(to)s;

-- name: readings_after
-- What was read from the lanes but not worked on: of each tag the readings after an instant, in batches up to a number.
select r.tag_id, r.ts, r.ordinal, r.value, r.text, r.quality, r.lane, r.batch_seq
from unnest(%(tags)s::int [], %(after)s::timestamptz []) as w (tag_id, after)
inner join reading as r on w.tag_id = r.tag_id and r.ts > w.after
inner join unnest(%(lanes)s::smallint [], %(seqs)s::bigint []) as done (lane, seq) on r.lane = done.lane and r.batch_seq <= done.seq;

-- name: readings_before
-- The newest readings of each tag that were worked on: at or before an instant, in batches up to a number. Oldest first.
select r.tag_id, r.ts, r.ordinal, r.value, r.text, r.quality, r.lane, r.batch_seq
from unnest(%(tags)s::int [], %(until)s::timestamptz []) as w (tag_id, until)
cross join lateral (
    select k.*
    from reading as k
    where
        k.tag_id = w.tag_id and k.ts <= w.until
        and exists (
            select 1 from unnest(%(lanes)s::smallint [], %(seqs)s::bigint []) as done (lane, seq)
            where k.lane = done.lane and k.batch_seq <= done.seq
        )
    order by k.ts desc, k.ordinal desc
    limit 2
) as r
order by r.ts, r.ordinal;

-- name: tags
-- Tags with their equipment; of one source those after an id, or all.
select t.id, t.name, t.datatype, t.unit, t.source, e.id as equipment_id, e.path, e.class, e.is_final
from tag as t
inner join equipment as e on t.equipment_id = e.id
where (%(source)s::text is null or t.source = %(source)s) and t.id > %(after)s
order by t.id;

-- name: readings_between
-- Of each tag the readings after an instant and up to another, in batches up to a number, but for those of the far future.
select r.tag_id, r.ts, r.ordinal, r.value, r.text, r.quality
from reading as r
inner join unnest(%(lanes)s::smallint [], %(seqs)s::bigint []) as done (lane, seq) on r.lane = done.lane and r.batch_seq <= done.seq
inner join batch as b on r.lane = b.lane and r.batch_seq = b.seq
where
    r.tag_id = any(%(tags)s::int []) and r.ts > %(after)s and r.ts <= %(until)s
    and r.ts <= b.received_at + %(ahead)s
order by r.ts, r.ordinal;

-- name: lanes_held
-- The lanes that have a writer now.
select objid::int as lane from pg_locks
where
    locktype = 'advisory' and granted and classid = (hashtext('amor lane')::bigint & 4294967295)::oid
    and database = (select oid from pg_database where datname = current_database());
