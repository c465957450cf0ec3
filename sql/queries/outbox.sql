-- What goes to business systems: written by those who have something to tell, mended by people.

-- name: lock_stream_for_insert
select pg_advisory_xact_lock(hashtextextended('amor outbox insert|' || %(connector)s || '|' || %(stream)s, 0));

-- name: insert
with made as (
    insert into outbox (connector, stream, seq, kind, payload, key)
    select
        %(connector)s, %(stream)s,
        coalesce((select max(seq) from outbox where connector = %(connector)s and stream = %(stream)s), 0) + 1,
        %(kind)s, %(payload)s, %(key)s
    on conflict (key) do nothing
    returning id
)
select id, pg_notify('amor_outbox', %(connector)s), pg_notify('amor_live', 'outbox:' || id) from made;

-- name: replay
with changed as (
    -- The plan goes as well: what it has done is found in the system, where a person may have mended it.
    update outbox set state = 'pending', next_at = now(), checkpoint = '{}'
    where id = %(id)s and state = 'parked'
    returning id, connector
)
select id, pg_notify('amor_outbox', connector), pg_notify('amor_live', 'outbox:' || id) from changed;

-- name: open_count
select state, count(*) as rows from outbox where state <> 'done' group by state;
