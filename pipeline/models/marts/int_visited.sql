-- Which entities had at least one valid visit in each period, under the period's cut.
-- order: period_key, entity_key
with sound as (
    select entity_key, captured_at, known_at, repeat_from from fct_visit where rule_failed = '' and known_at is not null
),
final as (
    select distinct p.period_key, s.entity_key
    from sound s
    join dim_period p on s.captured_at >= p.start_at and s.captured_at < p.t_at
    where s.known_at < p.cut_at and (s.repeat_from is null or s.repeat_from >= p.cut_at)
)
select * from final
