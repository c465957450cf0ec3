-- name: insert_reading
insert into reading (ts, value, quality, batch_seq, tag_id, ordinal, lane) values (%s, %s, %s, %s, %s, %s, %s);

-- name: empty
truncate reading, batch;

-- name: stored
-- What is stored, how many of it are different messages, and how fast: from the first message's arrival to the last commit.
select
    (select count(*) from reading) as readings,
    (select count(distinct ts) from reading) as messages,
    (select extract(epoch from max(pg_xact_commit_timestamp(xmin)) - min(received_at))::float from batch where rows > 0) as seconds;

-- name: rows_so_far
select coalesce(sum(rows), 0)::bigint as n from batch;

-- name: commit_ms
-- From the instant that a message was made to its commit, milliseconds, of the messages made in a span of time.
select
    count(*) as n,
    percentile_cont(array[0.5, 0.95, 0.99]) within group (
        order by extract(epoch from b.committed - r.ts)::float * 1000
    ) as ms
from reading as r
inner join (
    select lane, seq, pg_xact_commit_timestamp(xmin) as committed from batch
) as b on r.lane = b.lane and r.batch_seq = b.seq
where r.ts between %(begins)s and %(ends)s;

-- name: newest
-- How far the newest committed message is behind the clock, seconds.
select extract(epoch from clock_timestamp() - max(max_ts))::float as behind_s from batch;

-- name: sources
-- How many sources hold their subscriptions.
select count(distinct source) as n from source_state;
