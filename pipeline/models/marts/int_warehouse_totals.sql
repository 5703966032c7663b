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
    union all
    select 'agencies', '', 'rows', count(*) from stg_agencies
    union all
    select 'policies', '', 'rows', count(*) from stg_policies
    union all
    select 'products', '', 'rows', count(*) from stg_products
    union all
    select 'products', '', 'amount_min', sum(amount_min) from stg_products
    union all
    select 'products', '', 'amount_max', sum(amount_max) from stg_products
    union all
    select 'products', '', 'term_min', sum(term_min) from stg_products
    union all
    select 'products', '', 'term_max', sum(term_max) from stg_products
    union all
    select 'contacts', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_contacts group by 2
    union all
    select 'pairings', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_pairings group by 2
    union all
    select 'pairings', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'plates', sum(plates) from stg_pairings group by 2
    union all
    select 'pairings', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_pairings group by 2
    union all
    select 'window_packs', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_window_packs group by 2
    union all
    select 'window_packs', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'quantity', sum(quantity) from stg_window_packs group by 2
    union all
    select 'window_packs', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_window_packs group by 2
    union all
    select 'duty_rosters', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_duty_rosters group by 2
    union all
    select 'duty_rosters', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_duty_rosters group by 2
    union all
    select 'services', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_services group by 2
    union all
    select 'services', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_services group by 2
    union all
    select 'cultivations', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_cultivations group by 2
    union all
    select 'credit_lines', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_credit_lines group by 2
    union all
    select 'credit_lines', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'amount', sum(amount) from stg_credit_lines group by 2
    union all
    select 'credit_lines', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'used', sum(used) from stg_credit_lines group by 2
    union all
    select 'policy_pushes', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_policy_pushes group by 2
    union all
    select 'feedback', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_feedback group by 2
    union all
    select 'feedback', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_feedback group by 2
    union all
    select 'risk_leads', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_risk_leads group by 2
    union all
    select 'risk_leads', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_risk_leads group by 2
    union all
    select 'referral_batches', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_referral_batches group by 2
    union all
    select 'referrals', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_referrals group by 2
    union all
    select 'referrals', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'wanted', sum(wanted) from stg_referrals group by 2
    union all
    select 'activities', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_activities group by 2
    union all
    select 'activities', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'headcount', sum(headcount) from stg_activities group by 2
    union all
    select 'activities', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'volunteers', sum(volunteers) from stg_activities group by 2
    union all
    select 'activities', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_activities group by 2
    union all
    select 'inspection_items', '', 'rows', count(*) from stg_inspection_items
    union all
    select 'inspection_items', '', 'points', sum(points) from stg_inspection_items
    union all
    select 'inspection_items', '', 'position', sum("position") from stg_inspection_items
    union all
    select 'inspections', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_inspections group by 2
    union all
    select 'inspections', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'twelve_ones', sum(twelve_ones) from stg_inspections group by 2
    union all
    select 'inspections', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_inspections group by 2
    union all
    select 'rectifications', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_rectifications group by 2
    union all
    select 'rectifications', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'photo_count', sum(photo_count) from stg_rectifications group by 2
    union all
    select 'publicity', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_publicity group by 2
    union all
    select 'tasks', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_tasks group by 2
    union all
    select 'tasks', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'progress', sum(progress) from stg_tasks group by 2
    union all
    select 'relending_bases', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_relending_bases group by 2
    union all
    select 'equity_cases', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_equity_cases group by 2
    union all
    select 'equity_cases', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'amount', sum(amount) from stg_equity_cases group by 2
    union all
    select 'equity_cases', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'support_amount', sum(support_amount) from stg_equity_cases group by 2
    union all
    select 'reviews', coalesce(strftime(captured_at + interval 8 hour, '%Y-%m-%d'), ''), 'rows', count(*) from stg_reviews group by 2
    union all
    select 'indicator_targets', '', 'rows', count(*) from stg_indicator_targets
    union all
    select 'assessment_schemes', '', 'rows', count(*) from stg_assessment_schemes
)
select collection, day, metric, total::bigint as total from final
where total is not null and not (metric = 'rows' and total = 0)
