-- severity: warn
-- message: 有融资对接找不到对应的融资需求，未计入银行对接率
select m.match_id, m.demand_id
from stg_demand_matches m
left join stg_demands d on d.demand_id = m.demand_id
where d.demand_id is null
