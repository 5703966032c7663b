-- What the warehouse holds, per collection and Shanghai day of capture: rows, and the sum of every whole-number field.
-- The check source_equals_warehouse lays it beside what SQLite says of itself.
with final as (
    select 'enterprises' as collection, coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'rows' as metric, count(*)::hugeint as total from stg_enterprises group by 2
    union all
    select 'enterprises', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'employees', sum(employees) from stg_enterprises group by 2
    union all
    select 'enterprises', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'revenue', sum(revenue) from stg_enterprises group by 2
    union all
    select 'enterprises', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'total_assets', sum(total_assets) from stg_enterprises group by 2
    union all
    select 'visits' as collection, coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'rows' as metric, count(*)::hugeint as total from stg_visits group by 2
    union all
    select 'visits', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'photo_count', sum(photo_count) from stg_visits group by 2
    union all
    select 'photos' as collection, coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'rows' as metric, count(*)::hugeint as total from stg_photos group by 2
    union all
    select 'photos', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'bytes', sum(bytes) from stg_photos group by 2
    union all
    select 'demands' as collection, coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'rows' as metric, count(*)::hugeint as total from stg_demands group by 2
    union all
    select 'demands', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'amount', sum(amount) from stg_demands group by 2
    union all
    select 'demands', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'term', sum(term) from stg_demands group by 2
    union all
    select 'demands', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'accepted_amount', sum(accepted_amount) from stg_demands group by 2
    union all
    select 'demand_matches' as collection, coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'rows' as metric, count(*)::hugeint as total from stg_demand_matches group by 2
    union all
    select 'demand_matches', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'approved_amount', sum(approved_amount) from stg_demand_matches group by 2
    union all
    select 'demand_events' as collection, coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'rows' as metric, count(*)::hugeint as total from stg_demand_events group by 2
    union all
    select 'demand_events', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'amount', sum(amount) from stg_demand_events group by 2
    union all
    select 'loans' as collection, coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'rows' as metric, count(*)::hugeint as total from stg_loans group by 2
    union all
    select 'loans', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'amount', sum(amount) from stg_loans group by 2
    union all
    select 'loans', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'customer_credit_total', sum(customer_credit_total) from stg_loans group by 2
    union all
    select 'loans', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'relending_amount', sum(relending_amount) from stg_loans group by 2
    union all
    select 'loans', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), '') as day, 'compensated_amount', sum(compensated_amount) from stg_loans group by 2
    union all
    select 'areas', '', 'rows', count(*) from stg_areas
    union all
    select 'grids', '', 'rows', count(*) from stg_grids
    union all
    select 'grids', '', 'registered_count', sum(registered_count) from stg_grids
    union all
    select 'assignments', '', 'rows', count(*) from stg_assignments
    union all
    select 'banks', '', 'rows', count(*) from stg_banks
    union all
    select 'harbours', '', 'rows', count(*) from stg_harbours
    union all
    select 'parameters', '', 'rows', count(*) from stg_parameters
    union all
    select 'holidays', '', 'rows', count(*) from stg_holidays
    union all
    select 'users', '', 'rows', count(*) from stg_users
    union all
    select 'devices', '', 'rows', count(*) from stg_devices
    union all
    select 'scope_history', '', 'rows', count(*) from stg_scope_history
)
select collection, day, metric, total::bigint as total from final
where total is not null and not (metric = 'rows' and total = 0)
