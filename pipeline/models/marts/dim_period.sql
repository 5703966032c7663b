-- The periods of this run. T (t_at) is the end of an ended period, else D 24:00; a frozen period (封账) counts only what
-- the server had received before cut_at, the end of day 5 of the next month. All instants are UTC, days are Shanghai's.
-- order: period_key
with captured as (
    select captured_at from stg_visits where captured_at is not null
    union all
    select captured_at from stg_demands where captured_at is not null
),
bounds as (
    select
        date as today,
        ends_at,
        date_trunc('month', date)::date as this_month,
        (select date_trunc('month', min(captured_at) + interval 8 hour)::date from captured) as first_month
    from run
),
months as (
    select (this_month - to_months(cast(n as integer)))::date as month
    from bounds
    cross join range(25) as back(n)
    where n = 0 or (this_month - to_months(cast(n as integer)))::date >= first_month
),
start_on as (
    -- The parameter in force at T; else the date of the notice, 万州府办〔2021〕67号.
    select coalesce((
        select try_cast(p.value as date)
        from stg_parameters p
        cross join bounds
        where p.code = 'start_on' and (p.from_at is null or p.from_at < ends_at) and (p.until_at is null or p.until_at >= ends_at)
        order by p.from_at desc nulls last, p.parameter_id
        limit 1
    ), date '2021-10-29') as day
),
spans as (
    select 'M' as period, month as period_start, (month + interval 1 month)::date as next_start from months
    union all
    select distinct 'Q', date_trunc('quarter', month)::date, (date_trunc('quarter', month) + interval 3 month)::date from months
    union all
    -- These three end at D: never frozen.
    select 'YTD', date_trunc('year', today)::date, null from bounds
    union all
    select 'R365', today - 364, null from bounds
    union all
    select 'CUM', day, null from start_on
),
dated as (
    select
        period, period_start,
        period_start - interval 8 hour as start_at,
        least(coalesce(next_start - interval 8 hour, ends_at), ends_at) as t_at,
        coalesce(today >= next_start + 4, false) as frozen,
        next_start + 5 - interval 8 hour as freeze_at
    from spans
    cross join bounds
),
final as (
    select
        cast(row_number() over (order by period, period_start) as integer) as period_key,
        period, period_start, start_at, t_at,
        -- Visits, universe and demands as at T are looked up by this number.
        cast(dense_rank() over (order by t_at) as integer) as t_key,
        frozen,
        case when frozen then '封账' else '暂定' end as status,
        -- Later than any time of receipt, also the stand-in for none.
        case when frozen then freeze_at else timestamp '9999-12-31' end as cut_at
    from dated
)
select * from final
