-- code: COV-05  name: active_grid_rate  label: 有走访网格占比  unit: percent  grain: street, month  report: coverage
-- definition: 分子：其中当月至少有一次有效走访的网格数（有效的条件同走访覆盖率；网格为采集时所属网格）。
-- definition: 分母：时点 T 至少有一户基数主体的网格数。
-- definition: 窗口：月；T 为统计日24:00，已结束的月为月末。
-- definition: 归属：网格所在镇街、全区；不属于任何镇街的网格只计入全区。
-- definition: 封账：次月5日24:00后封账，只计此前上报的走访。
-- definition: 条款：万州府办〔2021〕67号 §十、§二、§八。
with grids as (
    select p.period_key, u.grid_key
    from dim_period p
    join int_universe_grid u on u.t_key = p.t_key
    where p.period = 'M' and u.grid_key <> 0
),
visited as (
    select distinct period_key, grid_key from int_visit_month where reason = ''
),
by_org as (
    select g.period_key, o.org_kind, o.org_id, count(v.grid_key) as numerator, count(*) as denominator
    from grids g
    left join visited v on v.period_key = g.period_key and v.grid_key = g.grid_key
    join int_large_org o on o.grid_key = g.grid_key
    group by g.period_key, o.org_kind, o.org_id
),
months as (
    select * from dim_period where period = 'M'
),
final as (
    select m.period, m.period_start, o.org_kind, o.org_id, coalesce(b.numerator, 0) as numerator, coalesce(b.denominator, 0) as denominator, m.status
    from months m
    join dim_org o on o.org_kind in ('district', 'street')
    left join by_org b on b.period_key = m.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
)
select * from final
