-- 整改: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_rectifications where _seq > (select min(_seq) from raw_rectifications) group by id
),
final as (
    select
        id as rectification_id,
        harbour as harbour_id,
        inspection as inspection_id,
        feedback as feedback_id,
        item,
        due as due_at,
        done_on as done_at,
        recheck_result,
        rechecked_on as rechecked_at,
        rechecked_by as rechecked_by_id,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_rectifications
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
