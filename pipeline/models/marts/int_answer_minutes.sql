-- Minutes to the first contact of each month, by bank and for the district: the nearest rank at one half and at nine tenths.
with answers as (
    select a.period_key, 'bank' as org_kind, a.bank_id as org_id, a.match_id, a.minutes from int_answered a where a.minutes is not null
    union all
    select a.period_key, 'district', d.district_id, a.match_id, a.minutes
    from int_answered a
    cross join int_district d
    where a.minutes is not null
),
ranked as (
    select period_key, org_kind, org_id, minutes,
        row_number() over (partition by period_key, org_kind, org_id order by minutes, match_id) as place,
        count(*) over (partition by period_key, org_kind, org_id) as answers
    from answers
),
final as (
    select period_key, org_kind, org_id,
        -- In whole numbers, so that nine tenths of ten is nine.
        max(minutes) filter (where place = (answers + 1) // 2) as median,
        max(minutes) filter (where place = (9 * answers + 9) // 10) as p90
    from ranked
    group by period_key, org_kind, org_id
)
select * from final
