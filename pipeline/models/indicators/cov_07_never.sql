-- code: COV-07.never  name: never_visited_count  label: 从未走访主体  unit: entity  grain: grid, cumulative  report: coverage
-- definition: 数值：统计日24:00的基数主体中，统计日24:00之前从来没有有效走访的户数（有效的条件同走访覆盖率；走访同一统一社会信用代码的任何一条记录都算）。
-- definition: 窗口：统计日24:00；起始日以前的走访也算；始终为暂定。各档包含关系：90天以上含180天以上，180天以上含365天以上，365天以上含从未走访。
-- definition: 归属：按主体在统计日24:00所属网格，汇总到社区村、镇街、全区；待分配主体只计入全区。
-- definition: 条款：万州府办〔2021〕67号 §十、§二、§八。
select period, period_start, org_kind, org_id, never as numerator, null as denominator, status
from int_unvisited
