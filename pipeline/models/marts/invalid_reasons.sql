-- Why visits of each month were not valid: the first reason in the order of fct_visit, then no_evidence, then repeat.
-- order: org_kind, org_id, period_start, reason
with final as (
    select o.org_kind, o.org_id, p.period_start, v.reason, sum(v.visits)::bigint as visits
    from int_visit_month v
    join dim_period p on p.period_key = v.period_key
    join int_large_org o on o.grid_key = v.grid_key
    where v.reason <> ''
    group by all
)
select * from final
