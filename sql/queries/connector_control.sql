-- Connectors that a person stopped.

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
with ended as (
    update connector_stop set ended_at = now(), ended_by = %(actor)s
    where connector = %(connector)s and ended_at is null
    returning id, connector
)

select pg_notify('amor_outbox', connector), pg_notify('amor_live', 'connector:' || id) from ended;

-- name: stopped
select connector, reason, actor, at from connector_stop where ended_at is null order by connector;
