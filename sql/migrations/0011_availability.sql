-- Levels of stock for warehouses and shops, and what was taken back.
select 1;
