-- 网格: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_grids where _seq > (select min(_seq) from raw_grids) group by id
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
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
