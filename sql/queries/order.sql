-- name: upsert
with changed as (
    insert into production_order (number, connector, external_id, product, quantity, due, state, work_center)
    values (
        %(number)s, %(connector)s, %(external_id)s, %(product)s, %(quantity)s, %(due)s, %(state)s, %(work_center)s
    )
    on conflict (number) do update
    set
        connector = excluded.connector, external_id = excluded.external_id, product = excluded.product,
        quantity = excluded.quantity, due = excluded.due, state = excluded.state, work_center = excluded.work_center,
        updated_at = now()
    where
        (
            production_order.connector, production_order.external_id, production_order.product,
            production_order.quantity, production_order.due, production_order.state, production_order.work_center
        ) is distinct from (
            excluded.connector, excluded.external_id, excluded.product,
            excluded.quantity, excluded.due, excluded.state, excluded.work_center
        )
    returning id
)
select pg_notify('amor_live', 'order:' || id) from changed;
