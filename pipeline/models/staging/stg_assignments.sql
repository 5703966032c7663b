-- 网格分配: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: assignment_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_assignments group by id
),
final as (
    select
        id as assignment_id,
        "user" as worker_id,
        grid as grid_id,
        "from"::timestamp as from_at,
        "until"::timestamp as until_at
    from raw_assignments
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
