-- States of machines as intervals that never overlap.

-- name: close_open
-- A state that began at the same instant is replaced, since an interval cannot be empty.
delete from machine_state where equipment_id = %(equipment_id)s and upper_inf(during) and lower(during) = %(at)s;

-- name: end_open
update machine_state set during = tstzrange(lower(during), %(at)s)
where equipment_id = %(equipment_id)s and upper_inf(during) and lower(during) < %(at)s;

-- name: begin
insert into machine_state (equipment_id, during, state, reason)
values (%(equipment_id)s, tstzrange(%(at)s, null), %(state)s, %(reason)s)
on conflict do nothing
returning id, pg_notify('amor_live', 'state:' || equipment_id);

-- name: set_reason
update machine_state set reason = %(reason)s, revision = revision + 1
where equipment_id = %(equipment_id)s and upper_inf(during)
returning pg_notify('amor_live', 'state:' || equipment_id);

-- name: containing
select id, lower(during) as began, upper(during) as ended, state, reason, revision
from machine_state
where equipment_id = %(equipment_id)s and during @> %(at)s::timestamptz
for update;

-- name: next_reading
-- When the machine next told its state.
select min(ts) as at from reading where tag_id = %(tag_id)s and ts > %(at)s and ts < coalesce(%(until)s::timestamptz, 'infinity');

-- name: shorten
update machine_state set during = tstzrange(lower(during), %(at)s), revision = revision + 1 where id = %(id)s;

-- name: insert_part
insert into machine_state (equipment_id, during, state, reason, revision)
values (%(equipment_id)s, tstzrange(%(began)s, %(ended)s), %(state)s, %(reason)s, %(revision)s)
returning pg_notify('amor_live', 'state:' || equipment_id);

-- name: state_map
select source, raw, canonical from state_map order by source, raw;
