-- Which entities had at least one valid visit in each period, under the period's cut.
with sound as (
    select entity_key, captured_at, month, date_trunc('quarter', month)::date as quarter, known_at, repeat_from
    from fct_visit
    where rule_failed = '' and known_at is not null
),
-- A visit is in one month and one quarter; only the three periods that end at D are looked for by time.
candidates as (
    select p.period_key, p.start_at, p.t_at, p.cut_at, s.entity_key, s.captured_at, s.known_at, s.repeat_from
    from sound s
    join dim_period p on p.period_start = s.month
    where p.period = 'M'
    union all
    select p.period_key, p.start_at, p.t_at, p.cut_at, s.entity_key, s.captured_at, s.known_at, s.repeat_from
    from sound s
    join dim_period p on p.period_start = s.quarter
    where p.period = 'Q'
    union all
    select p.period_key, p.start_at, p.t_at, p.cut_at, s.entity_key, s.captured_at, s.known_at, s.repeat_from
    from sound s
    cross join dim_period p
    where p.period in ('YTD', 'R365', 'CUM')
),
final as (
    select distinct period_key, entity_key
    from candidates
    where captured_at >= start_at and captured_at < t_at
        and known_at < cut_at and (repeat_from is null or repeat_from >= cut_at)
)
select * from final
