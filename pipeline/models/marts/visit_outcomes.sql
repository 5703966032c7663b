-- Visits of each month by outcome, under the month's cut; the outcomes add up to COV-04's denominator.
-- order: org_kind, org_id, period_start, outcome
with final as (
    select o.org_kind, o.org_id, p.period_start, v.outcome, sum(v.visits)::bigint as visits
    from int_visit_month v
    join dim_period p on p.period_key = v.period_key
    join int_large_org o on o.grid_key = v.grid_key
    group by all
)
select * from final
