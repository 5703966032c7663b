-- 窗口资料包: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_window_packs where _seq > (select min(_seq) from raw_window_packs) group by id
),
final as (
    select
        id as window_pack_id,
        unit,
        kind,
        place,
        grid as grid_id,
        harbour as harbour_id,
        stocked_at,
        quantity,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_window_packs
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
