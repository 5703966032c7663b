-- code: CNV-12.over  name: overdue_over_15_count  label: 逾期15个工作日以上  unit: count  grain: grid, bank, cumulative  report: conversion
-- definition: 数值：尚在办理、银行还没有联系上企业、且超过时限15个工作日以上的融资对接笔数；需求已放款、撤回、未成办结或作废的不计。
-- definition: 时限：对接之日后第3个工作日24:00（参数 sla.contact_days，按对接时有效的值）；逾期天数为时限之后至统计日（含）的工作日数。
-- definition: 窗口：统计日24:00，按现在已知的记录，始终为暂定。
-- definition: 归属：需求采集时所属网格，汇总到社区村、镇街、全区；对接的银行。
-- definition: 条款：万州府办〔2021〕67号 §三（二）三、§六、§七。
select period, period_start, org_kind, org_id, matches as numerator, null as denominator, status
from int_overdue
where age in ('over')
