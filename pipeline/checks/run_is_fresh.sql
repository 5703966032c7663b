-- severity: block
-- message: 本次统计没有用到读取时最新的数据
select run.seq, extract_pin.data_seq from run cross join extract_pin where run.seq <> extract_pin.data_seq
