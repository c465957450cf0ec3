-- name: insert
insert into dead_letter (received_at, source, address, payload, reason)
select received_at, %(source)s, address, payload, reason
from unnest(
    %(received_at)s::timestamptz [], %(addresses)s::text [], %(payloads)s::bytea [], %(reasons)s::text []
) with ordinality as new (received_at, address, payload, reason, n)
order by n;

-- name: insert_unknown
-- Only those that no equal one is there for: their messages came again after a crash.
insert into dead_letter (received_at, source, address, payload, reason)
select received_at, %(source)s, address, payload, reason
from unnest(
    %(received_at)s::timestamptz [], %(addresses)s::text [], %(payloads)s::bytea [], %(reasons)s::text []
) with ordinality as new (received_at, address, payload, reason, n)
where not exists (
    select 1
    from dead_letter as d
    where
        d.source = %(source)s and md5(d.payload) = md5(new.payload)
        and d.payload = new.payload and d.address = new.address and d.reason = new.reason
)
order by n;
