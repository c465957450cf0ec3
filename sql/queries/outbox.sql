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
),

-- Who replays says that something was mended: the connector is tried at once, whatever pauses it makes.
said as (
    insert into connector_go (connector) select connector from changed
    on conflict (connector) do update set times = connector_go.times + 1, at = now()
)

select id, pg_notify('amor_outbox', connector), pg_notify('amor_live', 'outbox:' || id) from changed;

-- name: open_count
select state, count(*) as rows from outbox where done_at is null group by state;

-- name: open_elsewhere
-- What waits for connectors that are not among these: nobody carries it.
select connector, count(*) as rows from outbox where done_at is null and connector <> all(%(connectors)s::text []) group by connector;

-- name: listed
-- Open rows for people, those that wait for them first; without a state parked and failing ones.
select
    id, connector, stream, seq, kind, state, attempts, next_at, last_error, created_at, payload ->> 'quantity' as quantity
from outbox
where
    done_at is null
    and (%(connector)s::text is null or connector = %(connector)s)
    and (%(stream)s::text is null or stream = %(stream)s)
    and case when %(state)s::text is null then state = 'parked' or last_error <> '' else state = %(state)s end
order by state <> 'parked', created_at, id
limit %(most)s;

-- name: taken
-- What the systems have, newest first.
select id, connector, stream, seq, kind, attempts, done_at, external_id, payload ->> 'quantity' as quantity
from outbox
where
    done_at is not null
    and (%(connector)s::text is null or connector = %(connector)s)
    and (%(stream)s::text is null or stream = %(stream)s)
order by done_at desc, id desc
limit %(most)s;

-- name: read
select
    id, connector, stream, seq, kind, payload, key, state, attempts, next_at, external_id, last_error, created_at, done_at,
    checkpoint
from outbox
where id = %(id)s;

-- name: attempts
select at, step, outcome, status, request, answer, duration_ms
from outbox_attempt
where outbox_id = %(id)s
order by id desc
limit %(most)s;

-- name: edits
select at, actor, reason, before, after from outbox_edit where outbox_id = %(id)s order by id;

-- name: edit
-- Of a parked row only: what may be on its way is not changed under the relay's hands. Id and key stay.
with old as (
    select id, payload from outbox where id = %(id)s and state = 'parked' for update
),

changed as (
    update outbox set payload = old.payload || %(changes)s
    from old
    where outbox.id = old.id
    returning outbox.id, old.payload as before, outbox.payload as after
)

insert into outbox_edit (outbox_id, actor, reason, before, after)
select id, %(actor)s, %(reason)s, before, after from changed
returning after;

-- name: settle
-- A parked row that a person booked in the system by hand: the fact is there, what waits behind it goes on. Kept like an edit.
with changed as (
    update outbox set state = 'done', done_at = now(), last_error = '', external_id = coalesce(%(document)s, external_id)
    where id = %(id)s and state = 'parked'
    returning id, connector, payload
),

kept as (
    insert into outbox_edit (outbox_id, actor, reason, before, after)
    select id, %(actor)s, %(reason)s, payload, payload from changed
)

select id, pg_notify('amor_outbox', connector), pg_notify('amor_live', 'outbox:' || id) from changed;
