-- The outbox under load, and the comparison of more than good pieces.

-- Open rows are those that are not done, said by a column that a claim, a plan or a step does not change: so these leave every index
-- alone (a heap-only update, for which a page keeps some room), and only what is done leaves the indexes of open rows.
drop index outbox_open;
create index outbox_open on outbox (connector, stream, seq) where done_at is null;
create index outbox_newest on outbox (connector, created_at) where done_at is null;
alter table outbox set (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
