-- How relays find their connectors.

-- name: tell
insert into connector_condition (connector, relay, state, reason, until, is_proven)
select c.connector, %(relay)s, c.state, c.reason, now() + c.wait, c.is_proven
from
    unnest(%(connectors)s::text [], %(states)s::text [], %(reasons)s::text [], %(waits)s::interval [], %(proven)s::boolean [])
    as c (connector, state, reason, wait, is_proven)
on conflict (connector, relay) do update
set
    since = case when connector_condition.state = excluded.state then connector_condition.since else now() end,
    state = excluded.state, reason = excluded.reason, until = excluded.until, is_proven = excluded.is_proven,
    heard_at = now();

-- name: say_so
select pg_notify('amor_live', 'connector:0');

-- name: forget
delete from connector_condition where relay = %(relay)s;

-- name: forget_old
delete from connector_condition where heard_at < now() - interval '1 hour';
