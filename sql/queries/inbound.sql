-- How far business systems were read.

-- name: mark
select system, read_at, wide_at, full_at from inbound_mark where connector = %(connector)s and what = %(what)s;

-- name: keep_mark
insert into inbound_mark (connector, what, system, read_at, wide_at, full_at)
values (%(connector)s, %(what)s, %(system)s, %(read_at)s, %(wide_at)s, %(full_at)s)
on conflict (connector, what) do update
set system = excluded.system, read_at = excluded.read_at, wide_at = excluded.wide_at, full_at = excluded.full_at;
