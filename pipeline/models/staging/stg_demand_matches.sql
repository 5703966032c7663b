-- 融资对接: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_demand_matches where _seq > (select min(_seq) from raw_demand_matches) group by id
),
final as (
    select
        id as match_id,
        demand as demand_id,
        bank as bank_id,
        matched_at,
        first_contact_at,
        applied_at,
        decided_at,
        result,
        reason,
        approved_amount,
        captured_at,
        synced_at,
        device as device_id
    from raw_demand_matches
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
