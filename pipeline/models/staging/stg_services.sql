-- 综合服务: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_services where _seq > (select min(_seq) from raw_services) group by id
),
final as (
    select
        id as service_id,
        kind,
        harbour as harbour_id,
        enterprise as enterprise_id,
        green_channel,
        staff as staff_id,
        first_responder as first_responder_id,
        demand as demand_id,
        accepted_at,
        due as due_at,
        completed_at,
        status,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_services
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
