-- 融资需求: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_demands where _seq > (select min(_seq) from raw_demands) group by id
),
final as (
    select
        id as demand_id,
        enterprise as enterprise_id,
        visit as visit_id,
        grid as grid_id,
        harbour as harbour_id,
        channel,
        kind,
        need,
        amount,
        term,
        accepted_amount,
        stage,
        accepted_at,
        matched_at,
        applied_at,
        approved_at,
        disbursed_at,
        withdrawn_at,
        captured_at,
        synced_at,
        device as device_id
    from raw_demands
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
