-- 融资对接事项: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: event_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_demand_events group by id
),
final as (
    select
        id as event_id,
        demand as demand_id,
        "match" as match_id,
        kind,
        from_stage,
        to_stage,
        "at"::timestamp as happened_at,
        contact_way,
        reached,
        amount,
        reason,
        captured_at::timestamp as captured_at,
        synced_at::timestamp as synced_at,
        device as device_id
    from raw_demand_events
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
