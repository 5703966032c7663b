-- 听取报告: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_reviews where _seq > (select min(_seq) from raw_reviews) group by id
),
final as (
    select
        id as review_id,
        harbour as harbour_id,
        period,
        scheme as scheme_id,
        kind,
        item,
        agency as agency_id,
        scorer as scorer_id,
        score,
        "full",
        reviewed_on as reviewed_at,
        cosigned_by as cosigned_by_id,
        cosigned_at,
        appeal_result,
        status,
        captured_at,
        synced_at,
        device as device_id
    from raw_reviews
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
