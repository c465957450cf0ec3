-- What was made, what was posted, and what the business system has.

-- name: orders
-- Orders that had good pieces of a final operation, or a posting to this system, since an instant.
select order_number from production_count
where is_final and kind = 'good' and order_number is not null and ts >= %(since)s
union
select payload ->> 'order_ref' as order_number from outbox
where
    connector = %(connector)s and kind in ('wip_to_fg', 'scrap', 'performance', 'reversal') and created_at >= %(since)s
    and payload ->> 'order_ref' is not null
order by order_number;

-- name: scrapping
-- Machines whose scrap is posted here: what they scrap is to be posted.
select distinct c.equipment_id
from count_posting as t
inner join production_count as c on t.count_id = c.id
where t.connector = %(connector)s and t.kind in ('scrap', 'performance') and c.kind = 'scrap';

-- name: ledger
-- One row for each of some orders. Quantities are of all its time. What was made is counted; what another system was told is not this
-- one's. `unposted` will be posted by itself: what is older than a day will not. `reversed` was taken back later, by events of its own.
-- Where an order has no receipts (wip_to_fg), what performances of its final operation yielded is what was posted of it: those that a
-- rule made of counts of a final machine; of others those of the highest segment. So with scrap: by events of scrap, or performances.
with orders as (
    select unnest(%(orders)s::text []) as order_number
),

event as materialized (
    select
        o.id,
        o.kind,
        o.payload ->> 'order_ref' as order_number,
        case o.state when 'done' then 'posted' when 'parked' then 'parked' else 'waiting' end as state,
        coalesce(o.payload ->> 'segment', '') as segment,
        o.payload -> 'reverses' ->> 'kind' as reverses,
        o.payload -> 'reverses' -> 'payload' ->> 'yielded' as reverses_yielded,
        -- A person may have written anything into a parked one.
        case when q.quantity ~* '^[0-9]{1,15}([.][0-9]{1,15})?(e[+-]?[0-9]{1,2})?$' then q.quantity::numeric else 0 end as quantity,
        case when q.scrapped ~* '^[0-9]{1,15}([.][0-9]{1,15})?(e[+-]?[0-9]{1,2})?$' then q.scrapped::numeric else 0 end as scrapped
    from orders
    inner join outbox as o on o.connector = %(connector)s and o.payload ->> 'order_ref' = orders.order_number
    cross join lateral (
        select
            o.payload ->> case o.kind when 'performance' then 'yielded' else 'quantity' end as quantity,
            o.payload ->> 'scrapped' as scrapped
    ) as q
    where o.kind in ('wip_to_fg', 'scrap', 'performance', 'reversal')
),

basis as (
    select
        order_number,
        case when bool_or(kind = 'wip_to_fg') then 'wip_to_fg' else 'performance' end as good,
        case when bool_or(kind = 'scrap') then 'scrap' else 'performance' end as scrap,
        max(segment) filter (where kind = 'performance') as segment
    from event
    group by order_number
),

-- Once for all: looked for again for each event it would take a time that grows with the square of their number.
performance as materialized (
    select e.id
    from event as e
    inner join basis as b on e.order_number = b.order_number
    where
        e.kind = 'performance' and case
            when exists (select 1 from posting_event as p where p.outbox_id = e.id) then exists (
                select 1
                from posting_event as p
                inner join count_posting as t on p.posting_id = t.posting_id
                inner join production_count as c on t.count_id = c.id
                where p.outbox_id = e.id and c.is_final
            )
            else e.segment = b.segment
        end
),

told as (
    select
        e.order_number,
        sum(e.quantity) filter (where e.kind = b.good and is_its and e.state = 'posted') as posted,
        sum(e.quantity) filter (where e.kind = b.good and is_its and e.state = 'waiting') as waiting,
        sum(e.quantity) filter (where e.kind = b.good and is_its and e.state = 'parked') as parked,
        sum(r.quantity) filter (where e.state = 'posted') as reversed_posted,
        sum(r.quantity) filter (where e.state = 'waiting') as reversed_waiting,
        sum(r.quantity) filter (where e.state = 'parked') as reversed_parked,
        bool_or(e.kind = b.scrap and (e.kind = 'scrap' or e.scrapped > 0)) as has_scrap,
        sum(s.quantity) filter (where e.state = 'posted') as scrap_posted,
        sum(s.quantity) filter (where e.state = 'waiting') as scrap_waiting,
        sum(s.quantity) filter (where e.state = 'parked') as scrap_parked,
        sum(r.scrap) filter (where e.state = 'posted') as scrap_reversed_posted,
        sum(r.scrap) filter (where e.state = 'waiting') as scrap_reversed_waiting,
        sum(r.scrap) filter (where e.state = 'parked') as scrap_reversed_parked
    from event as e
    inner join basis as b on e.order_number = b.order_number
    left join performance as p on e.id = p.id
    left join reversal_part as back on e.id = back.outbox_id
    left join performance as backed on back.reverses_id = backed.id
    cross join lateral (select e.kind <> 'performance' or p.id is not null as is_its) as f
    cross join lateral (
        -- A confirmation that is taken back gives back its scrap as well: of the pieces no more than it yielded.
        select case
            when e.reverses = 'performance' and e.reverses_yielded ~ '^[0-9]{1,15}([.][0-9]{1,15})?$'
                then least(e.quantity, e.reverses_yielded::numeric)
            else e.quantity
        end as good
    ) as g
    cross join lateral (
        select
            case
                when e.kind <> 'reversal' or coalesce(e.reverses, '') <> b.good then 0
                -- Of another operation than the one that counts.
                when e.reverses = 'performance' and back.outbox_id is not null and backed.id is null then 0
                else g.good
            end as quantity,
            case
                when e.kind <> 'reversal' or coalesce(e.reverses, '') <> b.scrap then 0
                when e.reverses = 'performance' then e.quantity - g.good
                else e.quantity
            end as scrap
    ) as r
    cross join lateral (
        select case when e.kind <> b.scrap then 0 when e.kind = 'scrap' then e.quantity else e.scrapped end as quantity
    ) as s
    group by e.order_number
),

-- What people gave another order than the machine had named.
moved as (
    select
        order_number,
        coalesce(sum(moved) filter (where kind = 'wip_to_fg'), 0) as good,
        coalesce(sum(moved) filter (where kind = 'scrap'), 0) as scrap
    from posting_correction
    where connector = %(connector)s and order_number in (select order_number from orders)
    group by order_number
),

scrapping as (
    select unnest(%(scrapping)s::int []) as equipment_id
),

counted as (
    select
        c.order_number,
        sum(c.qty) filter (where c.kind = 'good' and c.is_final and (c.outbox_id is null or w.connector = %(connector)s)) as made,
        sum(c.qty) filter (
            where c.kind = 'good' and c.is_final and c.outbox_id is null and not t.is_performed and c.ts >= now() - interval '1 day'
        ) as unposted,
        sum(c.qty) filter (where c.kind = 'scrap' and m.equipment_id is not null and not t.is_taken_back) as scrap_made,
        sum(c.qty) filter (
            where c.kind = 'scrap' and m.equipment_id is not null and not t.is_taken_back and not t.is_scrapped and not t.is_performed
            and c.ts >= now() - interval '1 day'
        ) as scrap_unposted
    from production_count as c
    left join outbox as w on c.outbox_id = w.id
    left join scrapping as m on c.equipment_id = m.equipment_id
    cross join lateral (
        select
            coalesce(bool_or(kind = 'performance'), false) as is_performed,
            coalesce(bool_or(kind = 'scrap'), false) as is_scrapped,
            coalesce(bool_or(kind = 'reversal'), false) as is_taken_back
        from count_posting
        where count_id = c.id and connector = %(connector)s
    ) as t
    where c.kind in ('good', 'scrap') and c.order_number in (select order_number from orders)
    group by c.order_number
)

select
    o.order_number,
    (coalesce(c.made, 0) + coalesce(m.good, 0))::numeric as made,
    coalesce(c.unposted, 0)::numeric as unposted,
    coalesce(e.posted, 0)::numeric as posted,
    coalesce(e.waiting, 0)::numeric as waiting,
    coalesce(e.parked, 0)::numeric as parked,
    coalesce(e.reversed_posted, 0)::numeric as reversed_posted,
    coalesce(e.reversed_waiting, 0)::numeric as reversed_waiting,
    coalesce(e.reversed_parked, 0)::numeric as reversed_parked,
    case
        when coalesce(e.has_scrap, false) or c.scrap_made > 0 then (coalesce(c.scrap_made, 0) + coalesce(m.scrap, 0))::numeric
    end as scrap_made,
    coalesce(c.scrap_unposted, 0)::numeric as scrap_unposted,
    coalesce(e.scrap_posted, 0)::numeric as scrap_posted,
    coalesce(e.scrap_waiting, 0)::numeric as scrap_waiting,
    coalesce(e.scrap_parked, 0)::numeric as scrap_parked,
    coalesce(e.scrap_reversed_posted, 0)::numeric as scrap_reversed_posted,
    coalesce(e.scrap_reversed_waiting, 0)::numeric as scrap_reversed_waiting,
    coalesce(e.scrap_reversed_parked, 0)::numeric as scrap_reversed_parked
from orders as o
left join counted as c on o.order_number = c.order_number
left join told as e on o.order_number = e.order_number
left join moved as m on o.order_number = m.order_number
order by o.order_number;

-- name: insert
insert into reconciliation (connector, since, orders, differences, actor)
values (%(connector)s, %(since)s, %(orders)s, %(differences)s, %(actor)s)
returning id;

-- name: insert_line
insert into reconciliation_line (
    reconciliation_id, order_number, made, posted, waiting, parked, reversed, erp, scrap_made, scrap_posted, scrap_waiting, scrap_parked,
    scrap_erp, proposal
)
values (
    %(id)s, %(order_number)s, %(made)s, %(posted)s, %(waiting)s, %(parked)s, %(reversed)s, %(erp)s, %(scrap_made)s, %(scrap_posted)s,
    %(scrap_waiting)s, %(scrap_parked)s, %(scrap_erp)s, %(proposal)s
);

-- name: newest
select id, connector, at, since, orders, differences, actor
from reconciliation
where connector = %(connector)s
order by id desc
limit 1;

-- name: lines
select
    order_number, made, posted, waiting, parked, reversed, erp, scrap_made, scrap_posted, scrap_waiting, scrap_parked, scrap_erp, proposal
from reconciliation_line
where reconciliation_id = %(id)s
order by order_number;
