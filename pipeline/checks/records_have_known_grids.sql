-- severity: warn
-- message: 有走访或需求的网格已不存在，只计入全区
select 'visits' as collection, visit_id as record, grid_id from fct_visit where grid_id <> '' and grid_key = 0
union all
select 'demands', demand_id, grid_id from fct_demand where grid_id <> '' and grid_key = 0
