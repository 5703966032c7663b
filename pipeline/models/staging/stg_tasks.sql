-- 任务分解: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_tasks where _seq > (select min(_seq) from raw_tasks) group by id
),
final as (
    select
        id as task_id,
        title,
        clause,
        goal,
        leads as lead_ids,
        responsible as responsible_ids,
        due as due_at,
        progress,
        status,
        done_on as done_at,
        captured_at,
        synced_at,
        device as device_id
    from raw_tasks
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
