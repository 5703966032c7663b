-- code: COV-04  name: valid_visit_rate  label: 有效走访率  unit: percent  grain: worker, grid, month  report: coverage
-- definition: 分子：当月采集的走访中有效的次数（有效的条件同走访覆盖率）。
-- definition: 分母：当月采集、已上报的全部走访次数。
-- definition: 窗口：月，按采集时间。
-- definition: 归属：走访人；网格为采集时所属网格，汇总到社区村、镇街、全区。
-- definition: 封账：次月5日24:00后封账，只计此前上报的走访、照片。
-- definition: 条款：万州府办〔2021〕67号 §十、§二、§八。
with months as (
    select * from dim_period where period = 'M'
),
counted as (
    select period_key, worker_id, grid_key, coalesce(sum(visits) filter (where reason = ''), 0) as numerator, sum(visits) as denominator
    from int_visit_month
    group by period_key, worker_id, grid_key
),
by_org as (
    select c.period_key, o.org_kind, o.org_id, sum(c.numerator) as numerator, sum(c.denominator) as denominator
    from counted c
    join int_grid_org o on o.grid_key = c.grid_key
    group by c.period_key, o.org_kind, o.org_id
),
by_worker as (
    select period_key, worker_id, sum(numerator) as numerator, sum(denominator) as denominator
    from counted
    where worker_id <> ''
    group by period_key, worker_id
),
final as (
    select m.period, m.period_start, o.org_kind, o.org_id, coalesce(b.numerator, 0) as numerator, coalesce(b.denominator, 0) as denominator, m.status
    from months m
    cross join dim_org o
    left join by_org b on b.period_key = m.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
    union all
    select m.period, m.period_start, 'worker', w.worker_id, w.numerator, w.denominator, m.status
    from months m
    join by_worker w on w.period_key = m.period_key
)
select * from final
