-- severity: block
-- message: 转化漏斗中后一步的需求数或金额多于前一步，或起点与需求对接率的批次不等
with final as (
    select a.org_kind, a.org_id, a.period_start, b.step, a.demands as before, b.demands as after, a.amount as amount_before, b.amount as amount_after
    from demand_funnel a
    join demand_funnel b on b.org_kind = a.org_kind and b.org_id = a.org_id and b.period_start = a.period_start and b.place = a.place + 1
    where b.demands > a.demands or b.amount > a.amount
    union all
    select i.org_kind, i.org_id, i.period_start, 'registered', i.denominator, coalesce(f.demands, 0), null, null
    from indicators i
    left join demand_funnel f on f.org_kind = i.org_kind and f.org_id = i.org_id and f.period_start = i.period_start and f.step = 'registered'
    where i.indicator = 'CNV-01' and i.period = 'M' and i.org_kind in ('district', 'street') and i.denominator <> coalesce(f.demands, 0)
)
select * from final
