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

-- name: open
-- Open letters of one source, oldest first, after an id and up to another; null ids and reason ask for all.
select id, received_at, address, payload, reason
from dead_letter
where
    source = %(source)s and replayed_at is null and id > %(after)s and id <= %(last)s
    and (%(ids)s::bigint [] is null or id = any(%(ids)s))
    and (%(reason)s::text is null or reason like %(reason)s)
order by id
limit %(most)s;

-- name: newest
select coalesce(max(id), 0) as id from dead_letter;

-- name: mark_replayed
update dead_letter set replayed_at = clock_timestamp() where id = any(%(ids)s) and replayed_at is null;
