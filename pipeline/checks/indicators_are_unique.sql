-- severity: block
-- message: 指标表里同一指标、期间、单位出现了不止一行
select period, period_start, org_kind, org_id, indicator, count(*) as copies
from indicators
group by period, period_start, org_kind, org_id, indicator
having count(*) > 1
