-- 网格: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: grid_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_grids group by id
),
final as (
    select
        id as grid_id,
        name,
        code,
        area as area_id,
        kind,
        harbour as harbour_id,
        registered_count
    from raw_grids
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
