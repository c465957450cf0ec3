-- Stored readings in bulk, for backtests: whole columns a tag, in the binary form of arrays, which costs least on both sides.

-- name: span
-- The first and the last reading of some tags.
select min(found.first) as first, max(found.last) as last
from unnest(%(tags)s::int []) as w (tag_id)
cross join lateral (
    select
        (select ts from reading where tag_id = w.tag_id order by ts limit 1) as first,
        (select ts from reading where tag_id = w.tag_id order by ts desc limit 1) as last
) as found;

-- name: next
-- The first reading of some tags at or after an instant.
select min(found.ts) as ts
from unnest(%(tags)s::int []) as w (tag_id)
cross join lateral (
    select ts from reading where tag_id = w.tag_id and ts >= %(at)s order by ts limit 1
) as found;

-- name: received
-- When the newest batch came.
select max(received_at) as at from batch;

-- name: ahead
-- Batches that hold readings from further in the future of their arrival than is believed.
select lane, seq, received_at from batch where max_ts > received_at + %(ahead)s;

-- name: columns
-- Within a day this runs on the unique index in its order, without a sort.
select
    tag_id,
    array_send(array_agg(ts)) as times,
    array_send(array_agg(coalesce(value, 'nan'))) as numbers,
    case when max(quality) > 0 then array_send(array_agg(quality)) end as qualities,
    case when max(ordinal) > 0 then array_send(array_agg(ordinal)) end as ordinals
from (
    select r.tag_id, r.ts, r.ordinal, r.value, r.quality
    from reading as r
    where
        r.tag_id = any(%(tags)s::int []) and r.ts >= %(first)s and r.ts < %(end)s
        and not exists (
            select 1
            from unnest(%(lanes)s::smallint [], %(seqs)s::bigint [], %(until)s::timestamptz []) as ahead (lane, seq, until)
            where ahead.lane = r.lane and ahead.seq = r.batch_seq and r.ts > ahead.until
        )
    order by r.tag_id, r.ts, r.ordinal
) as ordered
group by tag_id
order by tag_id;

-- name: words
-- Readings of tags that hold texts, one by one.
select r.tag_id, r.ts, r.ordinal, r.value, r.text, r.quality
from reading as r
where
    r.tag_id = any(%(tags)s::int []) and r.ts >= %(first)s and r.ts < %(end)s
    and not exists (
        select 1
        from unnest(%(lanes)s::smallint [], %(seqs)s::bigint [], %(until)s::timestamptz []) as ahead (lane, seq, until)
        where ahead.lane = r.lane and ahead.seq = r.batch_seq and r.ts > ahead.until
    )
order by r.tag_id, r.ts, r.ordinal;

-- name: words_before
-- The newest reading of each tag before an instant.
select r.tag_id, r.ts, r.ordinal, r.value, r.text, r.quality
from unnest(%(tags)s::int []) as w (tag_id)
cross join lateral (
    select k.* from reading as k where k.tag_id = w.tag_id and k.ts < %(first)s order by k.ts desc, k.ordinal desc limit 1
) as r
order by r.tag_id;

-- name: fill
-- The bench's readings of one tag, one a second: a slow wave, and seven minutes above the limits in every fourteen hours.
insert into reading (ts, value, quality, batch_seq, tag_id, ordinal, lane)
select
    %(first)s + make_interval(secs => n),
    case when n %% 50000 < 400 then 8.2 else 1.5 + 0.3 * sin(n / 100.0) end,
    0, 1, %(tag)s, 0, 1
from generate_series(0, %(readings)s - 1) as n;
