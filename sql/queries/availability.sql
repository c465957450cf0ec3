-- Levels of stock on their way to warehouses and shops.

-- name: last_levels
select l.target, l.item, l.location, l.sequence, l.available, o.state <> 'done' as is_on_its_way
from stock_level as l
inner join outbox as o on l.outbox_id = o.id
where l.source = %(source)s;

-- name: keep_level
insert into stock_level (source, target, item, location, sequence, available, outbox_id)
values (%(source)s, %(target)s, %(item)s, %(location)s, %(sequence)s, %(available)s, %(outbox_id)s)
on conflict (source, target, item, location) do update
set
    sequence = excluded.sequence, available = excluded.available, outbox_id = excluded.outbox_id, written_at = now();
