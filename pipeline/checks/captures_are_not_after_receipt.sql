-- severity: warn
-- message: 有记录的采集时间晚于上报时间，手机时钟可能有误
select 'visits' as collection, visit_id as record, captured_at, synced_at from fct_visit where captured_at > synced_at + interval 5 minute
union all
select 'demands', demand_id, captured_at, synced_at from fct_demand where captured_at > synced_at + interval 5 minute
