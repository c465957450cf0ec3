-- Reconciliation of net quantities, scrap as well.
select 1;
