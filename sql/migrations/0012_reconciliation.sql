-- The outbox under load, and the comparison of more than good pieces.

-- Open rows are those that are not done, said by a column that a claim, a plan or a step does not change: so these leave every index
-- alone (a heap-only update, for which a page keeps some room), and only what is done leaves the indexes of open rows.
drop index outbox_open;
create index outbox_open on outbox (connector, stream, seq) where done_at is null;
create index outbox_newest on outbox (connector, created_at) where done_at is null;
alter table outbox set (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
-- What was posted of an order, whenever; and what was written since an instant.
create index outbox_order on outbox (connector, (payload ->> 'order_ref'));
create index outbox_created on outbox using brin (created_at);

alter table reconciliation_line
add column reversed numeric not null default 0,
add column scrap_made numeric,
add column scrap_posted numeric not null default 0,
add column scrap_waiting numeric not null default 0,
add column scrap_parked numeric not null default 0,
add column scrap_erp numeric;
comment on column reconciliation_line.made is 'Counted good pieces of the final operation, less what was taken back later.';
comment on column reconciliation_line.posted is 'What the system was told and has, less what was taken back there.';
comment on column reconciliation_line.waiting is
'Written to the outbox and not posted yet, or made and not yet written; below 0 where more is on its way back.';
comment on column reconciliation_line.reversed is 'What was taken back of it, or will be: in made and posted already.';
comment on column reconciliation_line.scrap_made is 'Counted scrap of machines whose scrap is posted there; null where it is not.';
comment on column reconciliation_line.scrap_erp is 'The scrap of the business system; null where it does not tell.';
