-- One row per visit with all that decides whether it is valid, apart from the cut: a visit is valid under a cut when
-- rule_failed is '', known_at < cut and not repeat_from < cut. So one pass over the visits serves every period.
--   rule_failed  the first rule it breaks, in a fixed order, '' for none
--   known_at     when the server had the visit and its evidence; null without evidence; 9999 where no time was noted
--   repeat_from  known_at of the earliest-known otherwise valid visit by the same worker to the same entity < 24 h before
-- order: visit_id
with pictures as (
    select record_id as visit_id, min(coalesce(synced_at, timestamp '9999-01-01')) as picture_at
    from stg_photos
    where collection = 'visits' and file <> ''
    group by record_id
),
measured as (
    select
        v.visit_id, v.enterprise_id, v.grid_id, v.harbour_id, v.worker_id,
        v.captured_at, v.synced_at, v.started_at, v.ended_at, v.outcome, v.place, v.demand_asked, v.review, v.signature,
        coalesce(v.synced_at, timestamp '9999-01-01') as received_at,
        k.entity_key,
        p.picture_at,
        v.lon is not null and v.lat is not null and not (v.lon = 0 and v.lat = 0) as has_fix,
        e.lon is not null and e.lat is not null and not (e.lon = 0 and e.lat = 0) as has_point,
        -- Great-circle distance in metres (haversine, R = 6,371,000 m).
        2 * 6371000 * asin(sqrt(least(1.0,
            power(sin(radians(v.lat - e.lat) / 2), 2)
            + cos(radians(e.lat)) * cos(radians(v.lat)) * power(sin(radians(v.lon - e.lon) / 2), 2)))) as metres
    from stg_visits v
    left join stg_enterprises e on e.enterprise_id = v.enterprise_id
    left join int_entity k on k.enterprise_id = v.enterprise_id
    left join pictures p on p.visit_id = v.visit_id
),
judged as (
    select
        *,
        case
            when entity_key is null then 'enterprise_missing'
            when review = 'voided' then 'voided'
            when review = 'suspicion_confirmed' then 'suspicion_confirmed'
            when outcome <> 'met' then 'not_met'
            when place <> 'shop' then 'not_at_shop'
            when started_at is null or ended_at is null or ended_at - started_at < interval 3 minute then 'too_short'
            when review <> 'exception_approved' and not has_fix then 'no_fix'
            when review <> 'exception_approved' and has_point and metres > 200 then 'too_far'
            else ''
        end as rule_failed,
        case
            when signature <> '' then received_at
            when picture_at is not null then greatest(received_at, picture_at)
        end as known_at
    from measured
),
sound as (
    select visit_id, worker_id, entity_key, captured_at, known_at,
        lag(captured_at) over (partition by entity_key order by captured_at, visit_id) as previous_at
    from judged
    where rule_failed = '' and known_at is not null and captured_at is not null
),
-- Only a visit with any other at the same entity in the 24 h before can be a repeat: few go on.
near as (
    select * from sound where captured_at - previous_at < interval 24 hour
),
repeats as (
    select n.visit_id, min(s.known_at) as repeat_from
    from near n
    join sound s on s.entity_key = n.entity_key and s.worker_id = n.worker_id
        and s.captured_at > n.captured_at - interval 24 hour
        and (s.captured_at < n.captured_at or (s.captured_at = n.captured_at and s.visit_id < n.visit_id))
    group by n.visit_id
),
final as (
    select
        j.visit_id, j.enterprise_id, j.entity_key, j.worker_id, j.grid_id,
        coalesce(g.grid_key, 0) as grid_key,
        j.harbour_id, j.captured_at, j.synced_at, j.received_at,
        date_trunc('month', j.captured_at + interval 8 hour)::date as month,
        j.outcome, j.place, j.demand_asked,
        case when j.has_fix and j.has_point then j.metres end as metres,
        j.has_fix and not coalesce(j.has_point, false) as no_point,
        j.rule_failed, j.known_at, r.repeat_from,
        j.rule_failed = '' and j.known_at is not null and r.repeat_from is null as valid_now
    from judged j
    left join repeats r on r.visit_id = j.visit_id
    left join int_grid g on g.grid_id = j.grid_id
)
select * from final
