-- Connectors that a person stopped, or let go on.

-- name: is_stopped
select 1 as found from connector_stop where connector = %(connector)s and ended_at is null;

-- name: stop
with made as (
    insert into connector_stop (connector, reason, actor)
    values (%(connector)s, %(reason)s, %(actor)s)
    on conflict (connector) where ended_at is null do nothing
    returning id
)

select id, pg_notify('amor_live', 'connector:' || id) from made;

-- name: go
-- Its stop ends, if it was stopped, and so do its pauses.
with ended as (
    update connector_stop set ended_at = now(), ended_by = %(actor)s
    where connector = %(connector)s and ended_at is null
    returning id
),

said as (
    insert into connector_go (connector) values (%(connector)s)
    on conflict (connector) do update set times = connector_go.times + 1, at = now()
    returning connector
)

select (select count(*) from ended) as ended, pg_notify('amor_outbox', connector), pg_notify('amor_live', 'connector:0') from said;

-- name: goes
-- How often a person said go, and whether the last time is so near that a relay which begins now has not heard of it.
select times, at > now() - %(recent)s as is_recent from connector_go where connector = %(connector)s;

-- name: stopped
select connector, reason, actor, at from connector_stop where ended_at is null order by connector;
