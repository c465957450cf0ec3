-- name: count
select count(*) as tags from tag;

-- name: find
select e.path, t.name, t.id, t.datatype
from unnest(%(paths)s::text [], %(names)s::text []) as wanted (path, name)
inner join equipment as e on wanted.path = e.path
inner join tag as t on e.id = t.equipment_id and wanted.name = t.name;

-- name: register
insert into tag (equipment_id, name, datatype, unit, kind, source, address)
select e.id, new.name, new.datatype, new.unit, new.kind, %(source)s, new.address
from unnest(
    %(paths)s::text [], %(names)s::text [], %(datatypes)s::text [], %(units)s::text [], %(kinds)s::text [], %(addresses)s::text []
) as new (path, name, datatype, unit, kind, address)
inner join equipment as e on new.path = e.path
order by e.id, new.name
on conflict (equipment_id, name) do nothing;
