-- code: CNV-05  name: amount_fulfilment_rate  label: 金额满足率  unit: percent  grain: grid, bank, month  report: conversion
-- definition: 分子：每笔需求90天内银行确认的放款合同金额合计（元），超过受理金额的只计到受理金额。
-- definition: 分母：90日放款转化率分母中各笔需求的受理金额合计（元）；未受理的为0。
-- definition: 窗口：需求登记月批次（银行按对接时间所在月），满90天才计入分母；全批次在月末之后90天到期，到期前为未到期。
-- definition: 归属：采集时所属网格，汇总到社区村、镇街、全区；银行按对接记录，天数都从需求登记日起算。
-- definition: 放款：证据为“银行确认”或“系统对接”的贷款；注明需求的归该需求，没有注明的归同一主体在该行对接过、且没有贷款注明的最近一笔需求。
-- definition: 封账：批次在月末之后90天到期，到期月的次月5日24:00后封账，只计此前上报的需求、对接和已确认的贷款。
-- definition: 条款：万州府办〔2021〕67号 §三（二）三、§六、§七。
select period, period_start, org_kind, org_id, met_amount as numerator, accepted_amount as denominator, status
from int_lending
