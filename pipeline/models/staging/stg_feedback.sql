-- 问题反馈: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_feedback where _seq > (select min(_seq) from raw_feedback) group by id
),
final as (
    select
        id as feedback_id,
        "number",
        enterprise as enterprise_id,
        anonymous,
        channel,
        kind,
        category,
        harbour as harbour_id,
        reporter as reporter_id,
        owner as owner_id,
        agency as agency_id,
        bank as bank_id,
        routed_at,
        reported_at,
        due as due_at,
        answered_at,
        delivered_at,
        closed_at,
        status,
        finding,
        finding_at,
        finding_by as finding_by_id,
        satisfaction_asked_at,
        satisfaction,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_feedback
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
