-- 指标目标: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_indicator_targets where _seq > (select min(_seq) from raw_indicator_targets) group by id
),
final as (
    select
        id as indicator_target_id,
        indicator,
        period,
        area as area_id,
        harbour as harbour_id,
        bank as bank_id,
        floor,
        target,
        source
    from raw_indicator_targets
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
