-- code: CNV-02.median  name: contact_median_minutes  label: 首次联系中位时长  unit: minute  grain: bank, month  report: conversion
-- definition: 数值：批次内已联系上企业的对接，从对接到首次联系上的分钟数（自然时间，不足一分钟舍去）的中位数（第⌈0.5n⌉小的值）；没有联系上的不在其中。
-- definition: 批次、窗口、归属：同限时对接率；一笔也没有联系上的，没有数值。
-- definition: 封账：批次在月末之后第 n 个工作日到期（n 为对接时限），到期月的次月5日24:00后封账，只计此前上报的对接和联系记录。
-- definition: 条款：万州府办〔2021〕67号 §三（二）三、§六、§七。
select m.period, m.period_start, a.org_kind, a.org_id, a.median as numerator, null as denominator, m.status
from int_maturing m
join int_answer_minutes a on a.period_key = m.period_key
where m.waits_for = 'contact'
