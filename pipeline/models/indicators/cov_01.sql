-- code: COV-01  name: visit_coverage_rate  label: 走访覆盖率  unit: percent  grain: grid, month  report: coverage
-- definition: 分子：基数主体中，窗口内至少有一次有效走访的户数（同一统一社会信用代码算一户，走访其任何一条记录都算）。
-- definition: 分母：时点 T 的基数，即存续、在业、开业的民营小微企业和个体工商户，含管理员已确认的现场发现主体；中型、大型不计，未划型计入。
-- definition: 窗口：月、季、年初至今、近365天；T 为统计日24:00，已结束的月和季为期末。
-- definition: 归属：按主体在 T 时所属网格，汇总到社区村、镇街、全区；待分配主体只计入全区。
-- definition: 有效走访：见到人、在门店、停留不少于3分钟、有照片或签名、定位距门店不超过200米（无门店坐标的不比距离，无定位须经例外通过）、未作废、疑点未属实，且同一人24小时内对同一户不重复计。
-- definition: 封账：次月5日24:00后封账，只计此前上报的走访；此后上报的列入追溯调整。
-- definition: 条款：万州府办〔2021〕67号 §十、§二、§八。
with spans as (
    select * from dim_period where period in ('M', 'Q', 'YTD', 'R365')
),
universe as (
    select s.period_key, u.grid_key, count(*) as denominator
    from spans s
    join int_universe u on u.t_key = s.t_key
    group by s.period_key, u.grid_key
),
visited as (
    select s.period_key, u.grid_key, count(*) as numerator
    from spans s
    join int_visited v on v.period_key = s.period_key
    join int_universe u on u.t_key = s.t_key and u.entity_key = v.entity_key
    group by s.period_key, u.grid_key
),
by_org as (
    select u.period_key, o.org_kind, o.org_id, sum(coalesce(v.numerator, 0)) as numerator, sum(u.denominator) as denominator
    from universe u
    left join visited v on v.period_key = u.period_key and v.grid_key = u.grid_key
    join int_grid_org o on o.grid_key = u.grid_key
    group by u.period_key, o.org_kind, o.org_id
),
final as (
    select s.period, s.period_start, o.org_kind, o.org_id, coalesce(b.numerator, 0) as numerator, coalesce(b.denominator, 0) as denominator, s.status
    from spans s
    cross join dim_org o
    left join by_org b on b.period_key = s.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
)
select * from final
