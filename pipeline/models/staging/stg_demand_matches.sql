-- 融资对接: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: match_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_demand_matches group by id
),
final as (
    select
        id as match_id,
        demand as demand_id,
        bank as bank_id,
        matched_at::timestamp as matched_at,
        first_contact_at::timestamp as first_contact_at,
        applied_at::timestamp as applied_at,
        decided_at::timestamp as decided_at,
        result,
        reason,
        approved_amount,
        captured_at::timestamp as captured_at,
        synced_at::timestamp as synced_at,
        device as device_id
    from raw_demand_matches
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
