-- What was made, what was posted, and what the business system has.

-- name: ledger
-- One row an order that had good pieces of a final operation, or a posting, since an instant. Quantities are of the whole order.
-- What was taken back later is in none of them: a piece that was made stays made.
with orders as (
    select order_number from production_count
    where is_final and kind = 'good' and order_number is not null and ts >= %(since)s
    union
    select payload ->> 'order_ref' from outbox
    where connector = %(connector)s and kind = 'wip_to_fg' and created_at >= %(since)s
),

posting as (
    select
        payload ->> 'order_ref' as order_number,
        state,
        (payload ->> 'quantity')::numeric as quantity
    from outbox
    where connector = %(connector)s and kind = 'wip_to_fg' and payload ->> 'order_ref' in (select order_number from orders)
)

select
    o.order_number,
    coalesce(c.made, 0)::numeric as made,
    coalesce(c.unposted, 0)::numeric as unposted,
    coalesce(p.posted, 0)::numeric as posted,
    coalesce(p.waiting, 0)::numeric as waiting,
    coalesce(p.parked, 0)::numeric as parked
from orders as o
left join (
    select order_number, sum(qty) as made, sum(qty) filter (where outbox_id is null) as unposted
    from production_count
    where is_final and kind = 'good' and order_number in (select order_number from orders)
    group by order_number
) as c on o.order_number = c.order_number
left join (
    select
        order_number,
        sum(quantity) filter (where state = 'done') as posted,
        sum(quantity) filter (where state in ('pending', 'sending')) as waiting,
        sum(quantity) filter (where state = 'parked') as parked
    from posting
    group by order_number
) as p on o.order_number = p.order_number
where c.order_number is not null or p.order_number is not null
order by o.order_number;

-- name: insert
insert into reconciliation (connector, since, orders, differences, actor)
values (%(connector)s, %(since)s, %(orders)s, %(differences)s, %(actor)s)
returning id;

-- name: insert_line
insert into reconciliation_line (reconciliation_id, order_number, made, posted, waiting, parked, erp, proposal)
values (%(id)s, %(order_number)s, %(made)s, %(posted)s, %(waiting)s, %(parked)s, %(erp)s, %(proposal)s);

-- name: newest
select id, connector, at, since, orders, differences, actor
from reconciliation
where connector = %(connector)s
order by id desc
limit 1;

-- name: lines
select order_number, made, posted, waiting, parked, erp, proposal
from reconciliation_line
where reconciliation_id = %(id)s
order by order_number;
