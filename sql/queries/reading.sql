-- name: take_lane
-- One writer a lane, for as long as its connection lives.
select pg_try_advisory_lock(hashtext('amor lane'), %(lane)s::int) as taken;

-- name: head
select seq, source, received_at from batch where lane = %(lane)s order by seq desc limit 1;

-- name: outcome
-- What became of a transaction whose COMMIT was never answered: committed, aborted, in progress; null when long past.
select pg_xact_status(%(xid)s::xid8) as outcome;

-- name: copy
-- What is the same for many rows comes first: it is packed once.
copy reading (batch_seq, lane, text, tag_id, quality, ordinal, ts, value) from stdin with binary;

-- name: insert_batch
with made as (
    insert into batch (lane, seq, source, received_at, rows, duplicates, min_ts, max_ts)
    values (
        %(lane)s, %(seq)s, %(source)s, %(received_at)s, %(rows)s, %(duplicates)s, %(min_ts)s, %(max_ts)s
    )
    returning lane, seq
)
select pg_notify('amor_batch', made.lane || ':' || made.seq), pg_current_xact_id()::text as xid from made;

-- name: prepare_merge
create temporary table if not exists incoming (
    ts timestamptz, quality bigint, batch_seq bigint, tag_id int, ordinal int, lane smallint, value double precision, text text
) on commit delete rows;

-- name: clear_merge
delete from incoming;

-- name: copy_incoming
copy incoming (batch_seq, lane, text, tag_id, quality, ordinal, ts, value) from stdin with binary;

-- name: count_incoming
-- Tells the planner how few they are, so that it looks the readings up by their key.
analyze incoming;

-- name: merge
-- Stores the readings that are new; returns those whose key is stored already, with what is stored there. Both parts see the
-- table as it was before, so a row is either stored or returned.
with stored as (
    insert into reading (ts, quality, batch_seq, tag_id, ordinal, lane, value, text)
    select ts, quality, batch_seq, tag_id, ordinal, lane, value, text from incoming
    on conflict do nothing
    returning ts
),

known as (
    select i.tag_id, i.ts, i.ordinal, r.value, r.text, r.quality
    from incoming as i
    inner join reading as r on i.tag_id = r.tag_id and i.ts = r.ts and i.ordinal = r.ordinal
    where r.ts between %(min_ts)s and %(max_ts)s
)

select k.*, s.rows, s.min_ts, s.max_ts
from (select count(*) as rows, min(ts) as min_ts, max(ts) as max_ts from stored) as s
left join known as k on true;

-- name: newest
-- The newest stored reading of each tag that is named.
select e.path, t.name, r.ts, r.ordinal, r.value, r.text, r.quality
from unnest(%(paths)s::text [], %(names)s::text []) as wanted (path, name)
inner join equipment as e on wanted.path = e.path
inner join tag as t on e.id = t.equipment_id and wanted.name = t.name
cross join lateral (
    select ts, ordinal, value, text, quality
    from reading
    where tag_id = t.id
    order by ts desc, ordinal desc
    limit 1
) as r;
