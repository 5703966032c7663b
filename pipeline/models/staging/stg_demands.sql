-- 融资需求: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: demand_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_demands group by id
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
        withdrawn_at::timestamp as withdrawn_at,
        captured_at::timestamp as captured_at,
        synced_at::timestamp as synced_at,
        device as device_id
    from raw_demands
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
