-- What the demands of each month are for, duplicates out; the needs add up to CRD-01.
-- order: org_kind, org_id, period_start, need
with final as (
    select o.org_kind, o.org_id, p.period_start, d.need, count(*) as demands, sum(d.amount)::bigint as amount
    from int_demand_kept k
    join fct_demand d on d.demand_id = k.demand_id
    join dim_period p on p.period_key = k.period_key and p.period = 'M'
    join int_large_org o on o.grid_key = d.grid_key
    group by o.org_kind, o.org_id, p.period_start, d.need
)
select * from final
