-- code: COV-02  name: ever_visited_rate  label: 累计首访率  unit: percent  grain: grid, cumulative  report: coverage
-- definition: 分子：基数主体中，自起始日以来至少有一次有效走访的户数。
-- definition: 分母：统计日24:00的基数（同走访覆盖率）。
-- definition: 窗口：自起始日（参数 start_on，未设时为文件印发日2021年10月29日）累计至统计日24:00，始终为暂定。
-- definition: 归属：按主体在统计日24:00所属网格；待分配主体只计入全区。有效走访的条件同走访覆盖率。
-- definition: 条款：万州府办〔2021〕67号 §十、§二、§八。
with spans as (
    select * from dim_period where period = 'CUM'
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
