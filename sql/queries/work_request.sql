-- What maintenance systems say of the requests that tickets made there.

-- name: take_states
-- Only what is news: a state that is known, or older than the one that is known, tells nothing.
with said as (
    select external_id, state, said, changed_at
    from jsonb_to_recordset(%(states)s) as s (external_id text, state text, said text, changed_at timestamptz)
),

changed as (
    update ticket
    set external_state = said.state, external_said = said.said, external_changed_at = said.changed_at, updated_at = now()
    from outbox as o
    inner join said on o.external_id = said.external_id
    where
        o.connector = %(connector)s and o.kind = 'work_request' and ticket.id = (o.payload ->> 'ticket_id')::bigint
        and (ticket.external_state, ticket.external_said) is distinct from (said.state, said.said)
        and (ticket.external_changed_at is null or ticket.external_changed_at <= said.changed_at)
    returning ticket.id, said.state, said.said
),

event as (
    insert into ticket_event (ticket_id, kind, actor, note)
    select id, 'EXTERNAL', 'relay', %(connector)s || ' says ' || state || ' (' || said || ')' from changed
)

select id, pg_notify('amor_live', 'ticket:' || id) from changed;
