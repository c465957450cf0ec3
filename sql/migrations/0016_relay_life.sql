-- What the relay tells people and what it keeps (placeholder).
select 1;
