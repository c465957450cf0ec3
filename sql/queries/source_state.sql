-- name: all
select key, state from source_state where source = %(source)s;

-- name: put
insert into source_state (source, key, state)
values (%(source)s, %(key)s, %(state)s)
on conflict (source, key) do update set state = excluded.state, updated_at = now();
