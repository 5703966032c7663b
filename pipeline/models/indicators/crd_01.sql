-- code: CRD-01  name: demand_count  label: 融资需求登记数  unit: count  grain: grid, month  report: conversion
-- definition: 数值：登记的融资需求笔数，作废的不计。
-- definition: 去重：同一主体（同一统一社会信用代码算一户）、同一用途，在上一笔计入的需求之后30天（含）内再次登记的不计；没有市场主体的个人申请不去重。
-- definition: 窗口：月、年初至今，按采集时间。
-- definition: 归属：采集时所属网格，汇总到社区村、镇街、全区。
-- definition: 封账：次月5日24:00后封账，只计此前上报的需求。
-- definition: 条款：万州府办〔2021〕67号 §三（二）。
with spans as (
    select * from dim_period where period in ('M', 'YTD')
),
by_org as (
    select k.period_key, o.org_kind, o.org_id, count(*) as numerator
    from int_demand_kept k
    join fct_demand d on d.demand_id = k.demand_id
    join int_grid_org o on o.grid_key = d.grid_key
    group by k.period_key, o.org_kind, o.org_id
),
final as (
    select s.period, s.period_start, o.org_kind, o.org_id, coalesce(b.numerator, 0) as numerator, null as denominator, s.status
    from spans s
    cross join dim_org o
    left join by_org b on b.period_key = s.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
)
select * from final
