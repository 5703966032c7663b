-- CNV-12: open matches that no bank has answered in time, by the working days gone since they fell due, in the classes of the
-- catalogue; age '' is all of them.
with answered as (
    select distinct e.match_id
    from int_contact e
    cross join run
    where e.happened_at < run.ends_at
),
late as (
    select m.bank_id, d.grid_key, today.working_days - u.due_number as days_over
    from fct_match m
    join fct_demand d on d.demand_id = m.demand_id
    join int_due u on u.match_id = m.match_id
    cross join run
    join int_working_day today on today.day = run.date
    left join answered a on a.match_id = m.match_id
    where m.result = 'pending' and d.stage not in ('disbursed', 'withdrawn', 'closed', 'void') and a.match_id is null
        and today.working_days > u.due_number
),
aged as (
    select bank_id, grid_key, '' as age from late
    union all
    select bank_id, grid_key, case when days_over <= 3 then 'd3' when days_over <= 7 then 'd7' when days_over <= 15 then 'd15' else 'over' end from late
),
ages as (
    select unnest(['', 'd3', 'd7', 'd15', 'over']) as age
),
by_org as (
    select a.age, o.org_kind, o.org_id, count(*) as matches
    from aged a
    join int_grid_org o on o.grid_key = a.grid_key
    group by a.age, o.org_kind, o.org_id
),
total as (
    select * from dim_period where period = 'CUM'
),
final as (
    select t.period, t.period_start, t.status, a.age, o.org_kind, o.org_id, coalesce(b.matches, 0) as matches
    from total t
    cross join ages a
    cross join dim_org o
    left join by_org b on b.age = a.age and b.org_kind = o.org_kind and b.org_id = o.org_id
    union all
    select t.period, t.period_start, t.status, a.age, 'bank', a.bank_id, count(*)
    from total t
    cross join aged a
    where a.bank_id <> ''
    group by all
)
select * from final
