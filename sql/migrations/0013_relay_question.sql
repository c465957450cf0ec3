-- What people ask the relay: dry runs and comparisons on demand.
select 1;
