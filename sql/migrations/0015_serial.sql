-- Serial numbers of counted pieces (placeholder).
select 1;
