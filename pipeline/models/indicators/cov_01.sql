-- code: COV-01  name: visit_coverage_rate  label: 走访覆盖率  unit: percent  grain: grid, month  report: coverage
-- definition: 分子：基数主体中，窗口内至少有一次有效走访的户数（同一统一社会信用代码算一户，走访其任何一条记录都算）。
-- definition: 分母：时点 T 的基数，即存续、在业、开业的民营小微企业和个体工商户，含管理员已确认的现场发现主体；中型、大型不计，未划型计入。
-- definition: 窗口：月、季、年初至今、近365天；T 为统计日24:00，已结束的月和季为期末。
-- definition: 归属：按主体在 T 时所属网格，汇总到社区村、镇街、全区；待分配主体只计入全区。
-- definition: 有效走访：见到人、在门店、停留不少于3分钟、有照片或签名、定位距门店不超过200米（无门店坐标的不比距离，无定位须经例外通过）、未作废、疑点未属实，且同一人24小时内对同一户不重复计。
-- definition: 封账：次月5日24:00后封账，只计此前上报的走访，此后上报的不计入。
-- definition: 条款：万州府办〔2021〕67号 §十、§二、§八。
select period, period_start, org_kind, org_id, numerator, denominator, status
from int_coverage
where period in ('M', 'Q', 'YTD', 'R365')
