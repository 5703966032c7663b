-- code: CNV-02  name: contact_within_sla_rate  label: 限时对接率  unit: percent  grain: bank, month  report: conversion
-- definition: 分子：其中在时限之前首次联系上企业的对接笔数（打电话没有联系上的不算）。
-- definition: 分母：时限已到的融资对接笔数；需求作废、股权融资、登记后24小时内撤回的不计。
-- definition: 时限：对接之日后第3个工作日24:00（参数 sla.contact_days，按对接时有效的值）；工作日按节假日和调休日历。
-- definition: 窗口：对接时间所在月批次；联系记录截至统计日24:00（已封账的批次截至封账时）。
-- definition: 归属：对接的银行，全区为各银行之和。
-- definition: 封账：批次在月末之后第 n 个工作日到期（n 为对接时限），到期月的次月5日24:00后封账，只计此前上报的对接和联系记录。
-- definition: 条款：万州府办〔2021〕67号 §三（二）三、§六、§七。
with months as (
    select * from int_maturing where waits_for = 'contact'
),
by_bank as (
    select period_key, bank_id, count(*) filter (where in_time) as numerator, count(*) filter (where due) as denominator
    from int_answered
    group by period_key, bank_id
),
whole as (
    select period_key, sum(numerator) as numerator, sum(denominator) as denominator from by_bank group by period_key
),
final as (
    select m.period, m.period_start, 'bank' as org_kind, b.bank_id as org_id, b.numerator, b.denominator, m.status
    from months m
    join by_bank b on b.period_key = m.period_key
    where b.denominator > 0
    union all
    select m.period, m.period_start, 'district', d.district_id, coalesce(w.numerator, 0), coalesce(w.denominator, 0), m.status
    from months m
    cross join int_district d
    left join whole w on w.period_key = m.period_key
)
select * from final
