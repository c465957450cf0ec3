-- name: upsert
with changed as (
    insert into shipment (connector, number, order_ref, state, created_at, planned_at, due_at, shipped_at)
    values (
        %(connector)s, %(number)s, %(order_ref)s, %(state)s, %(created_at)s, %(planned_at)s, %(due_at)s, %(shipped_at)s
    )
    on conflict (connector, number) do update
    set
        order_ref = excluded.order_ref, state = excluded.state, created_at = excluded.created_at,
        planned_at = excluded.planned_at, due_at = excluded.due_at, shipped_at = excluded.shipped_at, updated_at = now()
    where
        (
            shipment.order_ref, shipment.state, shipment.created_at,
            shipment.planned_at, shipment.due_at, shipment.shipped_at
        ) is distinct from (
            excluded.order_ref, excluded.state, excluded.created_at,
            excluded.planned_at, excluded.due_at, excluded.shipped_at
        )
    returning id
)
select pg_notify('amor_live', 'shipment:' || id) from changed;
