-- severity: block
-- message: 指标表里有缺值（期间、单位、指标、分子或批次为空）
select *
from indicators
where period is null or period_start is null or org_kind is null or coalesce(org_id, '') = '' or indicator is null or version is null
    or numerator is null or status is null or run_id is null or input_hash is null or as_of is null
