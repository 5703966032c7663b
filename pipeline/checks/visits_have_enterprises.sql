-- severity: warn
-- message: 有走访找不到对应的市场主体，按无效走访计
select visit_id, enterprise_id from fct_visit where rule_failed = 'enterprise_missing'
