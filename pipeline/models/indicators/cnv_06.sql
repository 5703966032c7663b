-- code: CNV-06  name: first_loan_customer_count  label: 首贷户数  unit: entity  grain: grid, bank, harbour, month  report: conversion
-- definition: 数值：首次获得生产经营贷款的主体户数：该主体（同一统一社会信用代码算一户）在本系统内最早一笔银行确认的生产经营贷款，且银行在放款日或之前查征信确认此前无经营性贷款；一户终身只计一次。
-- definition: 窗口：放款日所在月、年初至今。
-- definition: 归属：主体在放款时所属网格，汇总到社区村、镇街、全区；放款银行；归属港湾。没有主体的个人贷款不计。
-- definition: 封账：次月5日24:00后封账，只计此前上报且已确认的贷款；年初至今为暂定。
-- definition: 条款：万州府办〔2021〕67号 §三（二）三、§六、§七。
with spans as (
    select * from dim_period where period in ('M', 'YTD')
),
by_org as (
    select f.period_key, o.org_kind, o.org_id, count(*) as numerator
    from int_first_loan f
    join int_grid_org o on o.grid_key = f.grid_key
    group by f.period_key, o.org_kind, o.org_id
),
lenders as (
    select period_key, 'bank' as org_kind, bank_id as org_id, count(*) as numerator from int_first_loan where bank_id <> '' group by period_key, bank_id
    union all
    select period_key, 'harbour', harbour_id, count(*) from int_first_loan where harbour_id <> '' group by period_key, harbour_id
),
final as (
    select s.period, s.period_start, o.org_kind, o.org_id, coalesce(b.numerator, 0) as numerator, null as denominator, s.status
    from spans s
    cross join dim_org o
    left join by_org b on b.period_key = s.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
    union all
    select s.period, s.period_start, l.org_kind, l.org_id, l.numerator, null, s.status
    from spans s
    join lenders l on l.period_key = s.period_key
)
select * from final
