-- severity: block
-- message: 各网格或各镇街之和超过全区，或社区之和与网格之和不等
with sums as (
    select indicator, period, period_start, org_kind, sum(numerator) as numerator, sum(coalesce(denominator, 0)) as denominator
    from indicators
    where org_kind in ('grid', 'community', 'street', 'district') and indicator <> 'DQ-01'
    group by indicator, period, period_start, org_kind
),
final as (
    select part.*
    from sums part
    join sums whole on whole.indicator = part.indicator and whole.period = part.period and whole.period_start = part.period_start
    where (whole.org_kind = 'district' and (part.numerator > whole.numerator or part.denominator > whole.denominator))
        or (whole.org_kind = 'grid' and part.org_kind = 'community'
            and (part.numerator <> whole.numerator or part.denominator <> whole.denominator))
)
select * from final
