-- severity: warn
-- message: 有贷款的放款银行或所注明的需求已不存在，未计入银行或转化率
select l.loan_id, l.bank_id, l.demand_id
from stg_loans l
left join stg_banks b on b.bank_id = l.bank_id
left join stg_demands d on d.demand_id = l.demand_id
where b.bank_id is null or (l.demand_id <> '' and d.demand_id is null)
