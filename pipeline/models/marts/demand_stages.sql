-- Where the demands of each registration month stand now; the stages add up to CNV-01's denominator.
-- order: org_kind, org_id, period_start, stage
with final as (
    select o.org_kind, o.org_id, p.period_start, d.stage, count(*) as demands, sum(d.amount)::bigint as amount
    from int_cohort c
    join fct_demand d on d.demand_id = c.demand_id
    join dim_period p on p.period_key = c.period_key
    join int_large_org o on o.grid_key = c.grid_key
    group by o.org_kind, o.org_id, p.period_start, d.stage
)
select * from final
