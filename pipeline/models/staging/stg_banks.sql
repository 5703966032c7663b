-- 机构: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: bank_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_banks group by id
),
final as (
    select
        id as bank_id,
        name,
        short_name,
        kind
    from raw_banks
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
