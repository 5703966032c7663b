-- 归属历史：只有过去的值，现值在记录上: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: history_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_scope_history group by id
),
final as (
    select
        id as history_id,
        collection,
        record as record_id,
        "field",
        "value",
        since::timestamp as since_at,
        "until"::timestamp as until_at
    from raw_scope_history
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
