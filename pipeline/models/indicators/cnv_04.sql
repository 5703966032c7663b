-- code: CNV-04  name: disbursed_within_90d_rate  label: 90日放款转化率  unit: percent  grain: grid, bank, month  report: conversion
-- definition: 分子：其中登记之日起90天（含）内有银行确认的放款的需求数。
-- definition: 分母：批次内登记已满90天的需求数；作废、股权融资、登记后24小时内撤回的不计，以后撤回的仍计，不去重。
-- definition: 窗口：需求登记月批次（银行按对接时间所在月），满90天才计入分母；全批次在月末之后90天到期，到期前为未到期。
-- definition: 归属：采集时所属网格，汇总到社区村、镇街、全区；银行按对接记录，天数都从需求登记日起算。
-- definition: 放款：证据为“银行确认”或“系统对接”的贷款；注明需求的归该需求，没有注明的归同一主体在该行对接过、且没有贷款注明的最近一笔需求。
-- definition: 封账：批次在月末之后90天到期，到期月的次月5日24:00后封账，只计此前上报的需求、对接和已确认的贷款。
-- definition: 条款：万州府办〔2021〕67号 §三（二）三、§六、§七。
select period, period_start, org_kind, org_id, lent as numerator, aged as denominator, status
from int_lending
