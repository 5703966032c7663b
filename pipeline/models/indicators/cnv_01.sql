-- code: CNV-01  name: demand_contact_rate  label: 需求对接率  unit: percent  grain: grid, bank, month  report: conversion
-- definition: 分子：批次内已有银行联系上企业的需求数（有一次“已联系上”的联系记录；打电话没有联系上的不算）。
-- definition: 分母：当月登记批次的需求数；作废、股权融资、登记后24小时内撤回的不计，不去重。
-- definition: 窗口：登记月批次，联系记录截至统计日24:00（已封账的批次截至封账时）。
-- definition: 归属：采集时所属网格，汇总到社区村、镇街、全区；银行按对接记录，以对接时间所在月为批次。
-- definition: 封账：次月5日24:00后封账，只计此前上报的需求、对接和联系记录。
-- definition: 条款：万州府办〔2021〕67号 §三（二）三、§六、§七。
with months as (
    select * from dim_period where period = 'M'
),
by_org as (
    select c.period_key, o.org_kind, o.org_id, sum(c.contacted) as numerator, count(*) as denominator
    from int_cohort c
    join int_grid_org o on o.grid_key = c.grid_key
    group by c.period_key, o.org_kind, o.org_id
),
matches as (
    select m.period_key, m.cut_at, f.match_id, f.bank_id
    from months m
    join fct_match f on f.month = m.period_start
    where f.in_cohort and f.bank_id <> '' and f.matched_at < m.t_at and f.received_at < m.cut_at
),
contacted as (
    select distinct f.period_key, f.match_id
    from matches f
    join int_contact e on e.match_id = f.match_id
    cross join run
    where e.happened_at < least(run.ends_at, f.cut_at) and e.received_at < f.cut_at
),
by_bank as (
    select f.period_key, f.bank_id, count(c.match_id) as numerator, count(*) as denominator
    from matches f
    left join contacted c on c.period_key = f.period_key and c.match_id = f.match_id
    group by f.period_key, f.bank_id
),
final as (
    select m.period, m.period_start, o.org_kind, o.org_id, coalesce(b.numerator, 0) as numerator, coalesce(b.denominator, 0) as denominator, m.status
    from months m
    cross join dim_org o
    left join by_org b on b.period_key = m.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
    union all
    select m.period, m.period_start, 'bank', b.bank_id, b.numerator, b.denominator, m.status
    from months m
    join by_bank b on b.period_key = m.period_key
)
select * from final
