-- name: server
select
    current_setting('server_version') as postgres,
    (select extversion from pg_extension where extname = 'timescaledb') as timescale,
    current_setting('timescaledb.license', true) as edition,
    exists (select 1 from pg_available_extensions where name = 'timescaledb') as can_have_timescale;

-- name: sources
select source, max(received_at) as newest from batch group by source order by source;

-- name: waiting
select
    (select count(*) from dead_letter where replayed_at is null) as dead_letters,
    (select count(*) from outbox where state in ('pending', 'sending')) as open,
    (select count(*) from outbox where state = 'parked') as parked;
