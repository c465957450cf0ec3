-- Postings of every kind: which counts each of them took.
select 1;
