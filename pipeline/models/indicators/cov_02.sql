-- code: COV-02  name: ever_visited_rate  label: 累计首访率  unit: percent  grain: grid, cumulative  report: coverage
-- definition: 分子：基数主体中，自起始日以来至少有一次有效走访的户数。
-- definition: 分母：统计日24:00的基数（同走访覆盖率）。
-- definition: 窗口：自起始日（参数 start_on，未设时为文件印发日2021年10月29日）累计至统计日24:00，始终为暂定。
-- definition: 归属：按主体在统计日24:00所属网格；待分配主体只计入全区。有效走访的条件同走访覆盖率。
-- definition: 条款：万州府办〔2021〕67号 §十、§二、§八。
select period, period_start, org_kind, org_id, numerator, denominator, status
from int_coverage
where period in ('CUM')
