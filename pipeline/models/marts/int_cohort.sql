-- Demands of each registration month (cohort) under its cut, and whether a bank had reached the enterprise by then.
with cohort as (
    select p.period_key, p.cut_at, d.demand_id, d.grid_key
    from fct_demand d
    join dim_period p on p.period = 'M' and p.period_start = d.month
    where d.in_cohort and d.captured_at < p.t_at and d.received_at < p.cut_at
),
contacted as (
    select distinct c.period_key, c.demand_id
    from cohort c
    join int_contact e on e.demand_id = c.demand_id
    cross join run
    where e.happened_at < least(run.ends_at, c.cut_at) and e.received_at < c.cut_at
),
final as (
    select c.period_key, c.demand_id, c.grid_key, (k.demand_id is not null)::integer as contacted
    from cohort c
    left join contacted k on k.period_key = c.period_key and k.demand_id = c.demand_id
)
select * from final
