-- 标准化建设检查项目: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_inspection_items where _seq > (select min(_seq) from raw_inspection_items) group by id
),
final as (
    select
        id as inspection_item_id,
        code,
        name,
        category,
        requirement,
        clause,
        points,
        where_possible,
        "position",
        "from" as from_at,
        "until" as until_at
    from raw_inspection_items
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
