-- 参数: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: parameter_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_parameters group by id
),
final as (
    select
        id as parameter_id,
        code,
        "value",
        "from"::timestamp as from_at,
        "until"::timestamp as until_at
    from raw_parameters
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
