-- name: upsert
insert into equipment (parent_id, level, path, name, class, position, is_final, ideal_cycle_s)
values (
    (select id from equipment where path = %(parent)s), %(level)s, %(path)s, %(name)s,
    %(class)s, %(position)s, %(is_final)s, %(ideal_cycle_s)s
)
on conflict (path) do update
set class = excluded.class, position = excluded.position, is_final = excluded.is_final, ideal_cycle_s = excluded.ideal_cycle_s
returning id;

-- name: ensure
-- The update changes nothing: it waits for another lane that makes the same equipment at this instant, and returns its row.
insert into equipment (parent_id, level, path, name)
values ((select id from equipment where path = %(parent)s), %(level)s, %(path)s, %(name)s)
on conflict (path) do update set path = excluded.path
returning id;

-- name: all
select id, parent_id, level, path, name, class, position, is_final, ideal_cycle_s from equipment order by path;

-- name: replace_state_map
with removed as (delete from state_map where source = '' and raw <> all(%(raw)s::text []))
insert into state_map (source, raw, canonical)
select '', * from unnest(%(raw)s::text [], %(canonical)s::text [])
on conflict (source, raw) do update set canonical = excluded.canonical;

-- name: delete_future_shifts
delete from calendar_shift where lower(during) > %(now)s;

-- name: insert_shift
insert into calendar_shift (name, during, planned_rate_per_h)
select %(name)s, tstzrange(%(start)s, %(end)s), %(rate)s
where not exists (select 1 from calendar_shift where during && tstzrange(%(start)s, %(end)s));
