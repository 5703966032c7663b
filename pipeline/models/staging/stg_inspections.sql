-- 标准化建设检查: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_inspections where _seq > (select min(_seq) from raw_inspections) group by id
),
final as (
    select
        id as inspection_id,
        "number",
        harbour as harbour_id,
        kind,
        status,
        due as due_at,
        inspector as inspector_id,
        "at" as inspected_at,
        items,
        twelve_ones,
        score,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_inspections
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
