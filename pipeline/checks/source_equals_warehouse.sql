-- severity: block
-- message: 数据仓与业务库对账不平（按类别、按采集日的行数或合计）；可用 --full 重读一遍
select
    coalesce(s.collection, w.collection) as collection, coalesce(s.day, w.day) as day, coalesce(s.metric, w.metric) as metric,
    s.total as source, w.total as warehouse
from source_totals s
full join int_warehouse_totals w on w.collection = s.collection and w.day = s.day and w.metric = s.metric
where coalesce(s.total, 0) <> coalesce(w.total, 0)
