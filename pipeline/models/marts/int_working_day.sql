-- The Shanghai calendar with the number of working days up to and including each day, so that working days between two
-- days are a subtraction. It reaches as far as the longest contact limit after this month can fall due.
with matched as (
    select min(matched_at) as first_at from stg_demand_matches
),
bounds as (
    select
        least(date_trunc('month', run.date) - interval 25 month, coalesce(matched.first_at + interval 8 hour, run.ends_at))::date as first_day,
        last_day(run.date) + cast(14 + 2 * (select max(working_days) from int_contact_limit) + (select count(*) from stg_holidays) as integer) as final_day
    from run
    cross join matched
),
days as (
    select cast(unnest(generate_series(first_day, final_day, interval 1 day)) as date) as day from bounds
),
judged as (
    select d.day, coalesce(h.kind = 'workday' or (h.kind <> 'holiday' and isodow(d.day) <= 5), isodow(d.day) <= 5) as works
    from days d
    left join stg_holidays h on try_cast(h.day as date) = d.day
),
final as (
    select day, works, cast(count(*) filter (where works) over (order by day) as integer) as working_days from judged
)
select * from final
