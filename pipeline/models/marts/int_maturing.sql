-- Months whose figure is known only some time after they end, by what it waits for: loan (90 days), confirmation (15 days),
-- contact (the contact limit after the last day). They are frozen (封账) at the end of day 5 of the month after that.
with months as (
    select period, period_start, period_key, t_at, last_day(period_start) as last_on from dim_period where period = 'M'
),
contact as (
    select m.period_key, c.day as matures_on
    from months m
    -- The last instant of the month: times are kept to the millisecond.
    asof join int_contact_limit l on l.since_at <= m.last_on + interval 1 day - interval 8 hour - interval 1 millisecond
    join int_working_day upto on upto.day = m.last_on
    join int_working_day c on c.works and c.working_days = upto.working_days + l.working_days
),
waits as (
    select 'loan' as waits_for, period_key, last_on + 90 as matures_on from months
    union all
    select 'confirmation', period_key, last_on + 15 from months
    union all
    select 'contact', period_key, matures_on from contact
),
dated as (
    select w.waits_for, m.period, m.period_start, m.period_key, m.t_at, w.matures_on,
        (date_trunc('month', w.matures_on) + interval 1 month)::date as next_start
    from waits w
    join months m on m.period_key = w.period_key
),
final as (
    select d.waits_for, d.period, d.period_start, d.period_key, d.t_at, d.matures_on,
        run.date >= d.matures_on as matured,
        case when run.date >= d.next_start + 4 then '封账' else '暂定' end as status,
        case when run.date >= d.next_start + 4 then d.next_start + 5 - interval 8 hour else timestamp '9999-12-31' end as cut_at
    from dated d
    cross join run
)
select * from final
