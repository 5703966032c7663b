-- 非法金融活动线索: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_risk_leads where _seq > (select min(_seq) from raw_risk_leads) group by id
),
final as (
    select
        id as risk_lead_id,
        kind,
        area as area_id,
        grid as grid_id,
        harbour as harbour_id,
        discovered_at,
        reported_at,
        handed_at,
        handed_to as handed_to_agency_id,
        passed_to as passed_to_agency_id,
        passed_at,
        result,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_risk_leads
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
