package reports

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
)

// The marts' columns are the contract between pipeline and reports; this is the reports' side of it.
const contract = `
create table indicators(period varchar, period_start date, org_kind varchar, org_id varchar, indicator varchar, version integer,
  numerator bigint, denominator bigint, value double, status varchar, run_id varchar, input_hash varchar, as_of date);
create table catalogue(code varchar, name varchar, label varchar, unit varchar, grain varchar, report varchar, version integer, definition varchar);
create table dim_area(area_id varchar, code varchar, name varchar, kind varchar, parent_id varchar, street_id varchar, street_name varchar, district_id varchar);
create table dim_grid(grid_id varchar, name varchar, code varchar, area_id varchar, community_name varchar, street_id varchar, district_id varchar, harbour_id varchar, kind varchar);
create table dim_worker(worker_id varchar, street_id varchar);
create table dim_bank(bank_id varchar, name varchar, short_name varchar);
create table run(run_id varchar, date date, as_of date, seq bigint, input_hash varchar, provisional boolean, data_until timestamp);
create table coverage_breakdown(org_kind varchar, org_id varchar, dimension varchar, key varchar, numerator bigint, denominator bigint);
create table visit_outcomes(org_kind varchar, org_id varchar, period_start date, outcome varchar, visits bigint);
create table demand_stages(org_kind varchar, org_id varchar, period_start date, stage varchar, demands bigint, amount bigint);
create table demand_needs(org_kind varchar, org_id varchar, period_start date, need varchar, demands bigint, amount bigint);
create table demand_funnel(org_kind varchar, org_id varchar, period_start date, step varchar, place integer, demands bigint, amount bigint, matured boolean);
create table loan_evidence(org_kind varchar, org_id varchar, period_start date, evidence varchar, loans bigint, amount bigint);
create table invalid_reasons(org_kind varchar, org_id varchar, period_start date, reason varchar, visits bigint);
insert into catalogue values
 ('COV-01', 'visit_coverage_rate', '走访覆盖率', 'percent', 'grid, month', 'coverage', 1, '期内至少有一次有效走访的基数主体 / 期末基数。'),
 ('COV-02', 'ever_visited_rate', '累计首访率', 'percent', 'grid, cumulative', 'coverage', 1, '起始日以来有过有效走访的基数主体 / 期末基数。'),
 ('COV-04', 'valid_visit_rate', '有效走访率', 'percent', 'grid, month', 'coverage', 2, '分子：有效走访次数。' || chr(10) || '分母：上报走访次数。'),
 ('CRD-01', 'demand_count', '融资需求登记数', 'count', 'grid, month', 'conversion', 1, '去重后登记的融资需求笔数。'),
 ('CRD-01.amount', 'demand_amount', '融资需求登记额', 'yuan', 'grid, month', 'conversion', 1, '去重后登记的融资需求金额。'),
 ('CNV-01', 'demand_contact_rate', '需求对接率', 'percent', 'grid, bank, month', 'conversion', 1, '批次内至少有一家银行已联系上的需求 / 批次需求。'),
 ('COV-05', 'active_grid_rate', '有走访网格占比', 'percent', 'street, month', 'coverage', 1, '当月有有效走访的网格 / 有基数主体的网格。'),
 ('COV-07', 'unvisited_90d_count', '90天以上未走访主体', 'entity', 'grid, cumulative', 'coverage', 1, '90个24小时内没有有效走访的基数主体。'),
 ('COV-07.d180', 'unvisited_180d_count', '180天以上未走访主体', 'entity', 'grid, cumulative', 'coverage', 1, '180个24小时内没有有效走访的基数主体。'),
 ('COV-07.d365', 'unvisited_365d_count', '365天以上未走访主体', 'entity', 'grid, cumulative', 'coverage', 1, '365个24小时内没有有效走访的基数主体。'),
 ('COV-07.never', 'never_visited_count', '从未走访主体', 'entity', 'grid, cumulative', 'coverage', 1, '从来没有有效走访的基数主体。'),
 ('CNV-02', 'contact_within_sla_rate', '限时对接率', 'percent', 'bank, month', 'conversion', 1, '时限之前联系上的 / 时限已到的对接。'),
 ('CNV-02.median', 'contact_median_minutes', '首次联系中位时长', 'minute', 'bank, month', 'conversion', 1, '从对接到首次联系上的分钟数的中位数。'),
 ('CNV-02.p90', 'contact_p90_minutes', '首次联系九成时长', 'minute', 'bank, month', 'conversion', 1, '从对接到首次联系上的分钟数的第90百分位数。'),
 ('CNV-04', 'disbursed_within_90d_rate', '90日放款转化率', 'percent', 'grid, bank, month', 'conversion', 1, '90天内有银行确认的放款的需求 / 登记满90天的需求。'),
 ('CNV-05', 'amount_fulfilment_rate', '金额满足率', 'percent', 'grid, bank, month', 'conversion', 1, '90天内放款（不超过受理金额）/ 受理金额。'),
 ('CNV-06', 'first_loan_customer_count', '首贷户数', 'entity', 'grid, bank, harbour, month', 'conversion', 1, '首次获得生产经营贷款的主体。'),
 ('CNV-12', 'overdue_unanswered_count', '逾期未对接需求', 'count', 'grid, bank, cumulative', 'conversion', 1, '超过时限还没有联系上的对接。'),
 ('CNV-12.d3', 'overdue_1_3_count', '逾期1至3个工作日', 'count', 'grid, bank, cumulative', 'conversion', 1, '逾期1至3个工作日。'),
 ('CNV-12.d7', 'overdue_4_7_count', '逾期4至7个工作日', 'count', 'grid, bank, cumulative', 'conversion', 1, '逾期4至7个工作日。'),
 ('CNV-12.d15', 'overdue_8_15_count', '逾期8至15个工作日', 'count', 'grid, bank, cumulative', 'conversion', 1, '逾期8至15个工作日。'),
 ('CNV-12.over', 'overdue_over_15_count', '逾期15个工作日以上', 'count', 'grid, bank, cumulative', 'conversion', 1, '逾期15个工作日以上。'),
 ('DQ-05', 'bank_confirmed_rate', '银行确认率', 'percent', 'bank, month', 'quality', 1, '银行确认的 / 已放款满15天的贷款。'),
 ('DQ-01', 'sync_timeliness_rate', '同步及时率', 'percent', 'worker, month', 'quality', 1, '24小时内上报的记录 / 全部手机采集记录。');
`

func makeMarts(t testing.TB, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "marts-test.duckdb")
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range append([]string{contract}, statements...) {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%v in %.200s", err, s)
		}
	}
	return path
}

// small is a district with two 街道 and two 镇乡 on 22 November 2026: October is frozen, November is not over.
const small = `
insert into run values ('2026-11-22-0123456789ab', '2026-11-22', '2026-11-22', 4711, '0123456789abcdef', false, timestamp '2026-11-22 15:58:59');
insert into dim_area values
 ('d', '500101', '万州区', 'district', '', '', '', 'd'),
 ('s1', '500101001', '高笋塘街道', 'street', 'd', 's1', '高笋塘街道', 'd'),
 ('s2', '500101017', '太白街道', 'street', 'd', 's2', '太白街道', 'd'),
 ('t1', '500101109', '小周镇', 'town', 'd', 't1', '小周镇', 'd'),
 ('t2', '500101238', '地宝土家族乡', 'town', 'd', 't2', '地宝土家族乡', 'd'),
 ('c1', '500101001001', '王牌路社区', 'community', 's1', 's1', '高笋塘街道', 'd');
insert into dim_grid values ('g1', '王牌路社区一网格', 'G1', 'c1', '王牌路社区', 's1', 'd', 'h', 'community'), ('g2', '王牌路社区二网格', 'G2', 'c1', '王牌路社区', 's1', 'd', 'h', 'community');
insert into dim_bank values ('b1', '重庆三峡银行万州分行', '三峡银行'), ('b2', '某农村商业银行', '');
insert into dim_worker values ('w1', 's1');
`

// figures writes rows of the long table: indicator period start kind org numerator [denominator].
func figures(rows ...string) string {
	out := "insert into indicators values "
	for i, r := range rows {
		var ind, period, start, kind, org string
		var num, den int64
		n, _ := fmt.Sscan(r, &ind, &period, &start, &kind, &org, &num, &den)
		denText, value := "null", fmt.Sprint(num)
		if n == 7 {
			denText, value = fmt.Sprint(den), "null"
			if den > 0 {
				value = fmt.Sprintf("cast(%d as double)/%d", num, den)
			}
		}
		status := open
		if period == "M" && start < "2026-11-01" || period == "Q" && start < "2026-10-01" {
			status = closed
		}
		if i > 0 {
			out += ","
		}
		out += fmt.Sprintf("('%s','%s','%s','%s','%s',1,%d,%s,%s,'%s','r','h','2026-11-22')", period, start, kind, org, ind, num, denText, value, status)
	}
	return out
}

var smallFigures = figures(
	"COV-01 YTD 2026-01-01 district d 460 1000", "COV-01 R365 2025-11-23 district d 500 1000", "COV-02 CUM 2021-10-29 district d 700 1000",
	"COV-01 M 2026-11-01 district d 30 1000", "COV-01 M 2026-10-01 district d 60 990", "COV-01 M 2026-09-01 district d 50 980", "COV-01 M 2025-10-01 district d 20 900",
	"COV-01 Q 2026-10-01 district d 80 1000", "COV-01 Q 2026-07-01 district d 150 985",
	"COV-04 M 2026-11-01 district d 40 50", "COV-04 M 2026-10-01 district d 70 100", "COV-04 M 2026-09-01 district d 60 80",
	"COV-01 YTD 2026-01-01 street s1 240 600", "COV-01 YTD 2026-01-01 street s2 195 300", "COV-01 YTD 2026-01-01 street t1 0 0", "COV-01 YTD 2026-01-01 street t2 9 9",
	"COV-04 M 2026-11-01 street s1 20 25", "COV-04 M 2026-10-01 street s1 30 50", "COV-04 M 2026-11-01 street s2 0 0",
	"COV-01 YTD 2026-01-01 community c1 200 500", "COV-01 YTD 2026-01-01 grid g1 196 491", "COV-01 YTD 2026-01-01 grid g2 4 9",
	"CRD-01 YTD 2026-01-01 district d 12", "CRD-01.amount YTD 2026-01-01 district d 123456789", "CRD-01 M 2026-11-01 district d 3", "CRD-01 M 2026-10-01 district d 5",
	"CRD-01.amount M 2026-11-01 district d 1234567", "CRD-01.amount M 2026-10-01 district d 5000050",
	"CNV-01 M 2026-11-01 district d 1 4", "CNV-01 M 2026-10-01 district d 9 12", "CNV-01 M 2026-09-01 district d 5 10",
	"CNV-01 M 2026-10-01 street s1 3 4", "CRD-01 YTD 2026-01-01 street s1 4", "CRD-01.amount YTD 2026-01-01 street s1 995000",
	"CNV-01 M 2026-10-01 bank b1 8 10", "CNV-01 M 2026-10-01 bank b2 1 2", "DQ-01 M 2026-11-01 district d 97 100", "DQ-01 M 2026-11-01 worker w1 97 100",
	"COV-05 M 2026-11-01 district d 3 4", "COV-05 M 2026-10-01 district d 4 4", "COV-05 M 2026-11-01 street s1 1 2",
	"COV-07 CUM 2021-10-29 district d 400", "COV-07.d180 CUM 2021-10-29 district d 350", "COV-07.d365 CUM 2021-10-29 district d 320", "COV-07.never CUM 2021-10-29 district d 290",
	"COV-07 CUM 2021-10-29 street s1 200", "COV-07.d180 CUM 2021-10-29 street s1 180", "COV-07.d365 CUM 2021-10-29 street s1 150", "COV-07.never CUM 2021-10-29 street s1 140",
	"COV-07 CUM 2021-10-29 community c1 190", "COV-07 CUM 2021-10-29 grid g1 185", "COV-07.never CUM 2021-10-29 grid g1 130",
	"CNV-02 M 2026-10-01 district d 9 11", "CNV-02.median M 2026-10-01 district d 1590", "CNV-02.p90 M 2026-10-01 district d 4321",
	"CNV-02 M 2026-10-01 bank b1 9 10", "CNV-02.median M 2026-10-01 bank b1 60", "CNV-02 M 2026-10-01 bank b2 0 1", "CNV-02 M 2026-11-01 district d 0 0",
	"CNV-04 M 2026-06-01 district d 1 5", "CNV-04 M 2026-07-01 district d 6 20", "CNV-04 M 2026-08-01 district d 2 3", "CNV-04 M 2026-07-01 bank b1 5 12", "CNV-04 M 2026-07-01 grid g1 1 2",
	"CNV-05 M 2026-06-01 district d 100000 500000", "CNV-05 M 2026-07-01 district d 1234567 2000000", "CNV-05 M 2026-08-01 district d 50000 60000",
	"CNV-06 M 2026-11-01 district d 2", "CNV-06 M 2026-10-01 district d 3", "CNV-06 YTD 2026-01-01 district d 15", "CNV-06 YTD 2026-01-01 bank b1 14", "CNV-06 YTD 2026-01-01 street s1 9",
	"CNV-12 CUM 2021-10-29 district d 7", "CNV-12.d3 CUM 2021-10-29 district d 3", "CNV-12.d7 CUM 2021-10-29 district d 1", "CNV-12.d15 CUM 2021-10-29 district d 1", "CNV-12.over CUM 2021-10-29 district d 2",
	"CNV-12 CUM 2021-10-29 bank b2 6", "CNV-12.d3 CUM 2021-10-29 bank b2 3", "CNV-12.d7 CUM 2021-10-29 bank b2 1", "CNV-12.over CUM 2021-10-29 bank b2 2",
	"DQ-05 M 2026-10-01 district d 9 10", "DQ-05 M 2026-10-01 bank b1 9 9", "DQ-05 M 2026-11-01 district d 0 1",
)

const smallParts = `
insert into coverage_breakdown values ('district','d','kind','company',100,300), ('district','d','kind','individual_business',360,700),
 ('district','d','size','micro',400,800), ('district','d','size','unknown',59,195), ('district','d','size','',1,5);
insert into visit_outcomes values ('district','d','2026-11-01','met',45), ('district','d','2026-11-01','absent',5), ('district','d','2026-10-01','met',90), ('district','d','2026-10-01','refused',10);
insert into invalid_reasons values ('district','d','2026-11-01','too_short',10), ('district','d','2026-10-01','too_short',20), ('district','d','2026-10-01','repeat',10);
insert into demand_stages values ('district','d','2026-10-01','matched',8,3000000), ('district','d','2026-10-01','disbursed',4,2000000), ('district','d','2026-11-01','captured',4,1234567);
insert into demand_funnel values
 ('district','d','2026-07-01','registered',1,20,8000000,true), ('district','d','2026-07-01','accepted',2,19,7500000,true), ('district','d','2026-07-01','matched',3,18,7000000,true),
 ('district','d','2026-07-01','contacted',4,18,7000000,true), ('district','d','2026-07-01','applied',5,12,4000000,true), ('district','d','2026-07-01','approved',6,9,3000000,true), ('district','d','2026-07-01','disbursed',7,7,2345600,true),
 ('district','d','2026-11-01','registered',1,4,1234567,false), ('district','d','2026-11-01','accepted',2,2,1000000,false), ('district','d','2026-11-01','matched',3,1,500000,false),
 ('district','d','2026-11-01','contacted',4,1,500000,false), ('district','d','2026-11-01','applied',5,0,0,false), ('district','d','2026-11-01','approved',6,0,0,false), ('district','d','2026-11-01','disbursed',7,0,0,false);
insert into loan_evidence values ('district','d','2026-10-01','bank_confirmed',9,900000), ('district','d','2026-10-01','self_reported',1,120000), ('district','d','2025-10-01','self_reported',7,700000), ('bank','b1','2026-10-01','bank_confirmed',9,900000);
insert into demand_needs values ('district','d','2026-10-01','working_capital',4,4000050), ('district','d','2026-10-01','equipment',1,1000000), ('district','d','2026-11-01','working_capital',3,1234567);
`

func smallMarts(t testing.TB) string { return makeMarts(t, small, smallFigures, smallParts) }

// wholeDistrict is as big as the real one: 52 streets and towns, 610 communities, 1220 grids, two years of months.
func wholeDistrict(t testing.TB) string {
	return makeMarts(t, `
insert into run values ('2026-11-22-0123456789ab', '2026-11-22', '2026-11-22', 4711, '0123456789abcdef', false, timestamp '2026-11-22 15:58:59');
insert into dim_area values ('d', '500101', '万州区', 'district', '', '', '', 'd');
insert into dim_area select 's' || code, code, name, kind, 'd', 's' || code, name, 'd' from read_csv('testdata/places.csv', header = false, all_varchar = true,
  names = ['code', 'name', 'kind']);
insert into dim_area select 'c' || code || n, code || lpad(cast(n as varchar), 3, '0'), replace(replace(name, '街道', ''), '镇', '') || '第' || n || if(kind = 'street', '社区', '村'),
  if(kind = 'street', 'community', 'village'), area_id, area_id, name, 'd' from dim_area, range(1, 13) r(n) where kind in ('street', 'town') and n <= 10 + (cast(code as bigint) % 4);
insert into dim_grid select 'g' || area_id || n, name || '第' || n || '网格', 'G' || code || n, area_id, name, street_id, 'd', 'h', kind from dim_area, range(1, 3) r(n) where kind in ('community', 'village');
insert into dim_bank select 'b' || n, ['工商银行万州分行','农业银行万州分行','中国银行万州分行','建设银行万州分行','重庆农村商业银行万州分行','重庆三峡银行万州分行','邮储银行万州分行','重庆银行万州支行'][n], '' from range(1, 9) r(n);
create temp table p as select 'M' period, cast(date '2024-11-01' + to_months(cast(n as integer)) as date) s, n from range(0, 25) r(n)
 union all select 'Q', cast(date '2024-10-01' + to_months(cast(3*n as integer)) as date), n from range(0, 9) r(n)
 union all select 'YTD', date '2026-01-01', 1 union all select 'R365', date '2025-11-23', 1 union all select 'CUM', date '2021-10-29', 1;
create temp table org as select 'district' k, 'd' o union all select 'street', area_id from dim_area where kind in ('street', 'town');
create temp table leaf as select period, s, grid_id, street_id, area_id, ind, h,
   case ind when 'CRD-01' then null when 'CRD-01.amount' then null when 'CNV-01' then h % 3 when 'COV-04' then 5 + h % 21 else 20 + (hash(grid_id) % 160) end den
 from p, dim_grid, (values ('COV-01'), ('COV-02'), ('COV-04'), ('CRD-01'), ('CRD-01.amount'), ('CNV-01')) i(ind), lateral (select cast(hash(grid_id || ind || s || period) % 1000 as bigint) h)
 where case ind when 'COV-01' then period in ('M','Q','YTD','R365') when 'COV-02' then period = 'CUM' when 'COV-04' then period = 'M' when 'CNV-01' then period = 'M' else period in ('M','YTD') end;
create temp table leaf2 as select period, s, grid_id, street_id, area_id, ind, den, cast(case ind
   when 'CRD-01' then h % 3 * if(period = 'YTD', 8, 1) when 'CRD-01.amount' then h % 3 * 187500 * if(period = 'YTD', 8, 1) when 'CNV-01' then least(den, h % 2 + (h // 7) % 2)
   when 'COV-04' then den * (70 + h % 25) // 100
   when 'COV-02' then den * (55 + hash(street_id) % 40) // 100
   else case period when 'M' then den * (3 + h % 6) // 100 when 'Q' then den * (9 + h % 14) // 100 else den * (12 + (hash(street_id) % 75)) // 100 end end as bigint) num from leaf;
create temp table up as select period, s, 'grid' k, grid_id o, ind, num, den from leaf2 union all select period, s, 'community', area_id, ind, num, den from leaf2
 union all select period, s, 'street', street_id, ind, num, den from leaf2 union all select period, s, 'district', 'd', ind, num, den from leaf2
 union all select period, s, 'bank', 'b' || (1 + hash(grid_id) % 8), ind, num, den from leaf2 where ind = 'CNV-01';
insert into indicators select period, s, k, o, ind, 1, sum(num), sum(den), sum(num) / nullif(sum(den), 0), if(period in ('M') and s < date '2026-11-01' or period = 'Q' and s < date '2026-10-01', '封账', '暂定'), 'r', 'h', date '2026-11-22'
 from up group by all;
insert into indicators select 'M', s, 'district', 'd', 'DQ-01', 1, 9500 + n * 10, 10000, 0.95, '暂定', 'r', 'h', date '2026-11-22' from p where period = 'M';
create temp table base as select org_kind k, org_id o, period, period_start s, indicator ind, numerator n, denominator d from indicators where period in ('M', 'YTD') and org_kind in ('district', 'street');
insert into coverage_breakdown select k, o, dim, key, floor(n * w * (0.7 + 0.3 * w)), floor(d * w) from base, (values ('kind','company',0.3),('kind','individual_business',0.66),('kind','cooperative',0.04),
  ('size','micro',0.7),('size','small',0.1),('size','unknown',0.2),('section','A',0.1),('section','C',0.08),('section','F',0.45),('section','G',0.05),('section','H',0.17),('section','I',0.02),('section','O',0.1),('section','',0.03)) x(dim, key, w)
  where ind = 'COV-01' and period = 'YTD';
insert into visit_outcomes select k, o, s, key, floor(d * w) from base, (values ('met',0.84),('absent',0.08),('refused',0.03),('closed',0.03),('moved',0.01),('not_found',0.01)) x(key, w) where ind = 'COV-04';
insert into invalid_reasons select k, o, s, key, floor((d - n) * w) from base, (values ('not_met',0.4),('too_short',0.1),('no_fix',0.1),('no_evidence',0.15),('too_far',0.2),('repeat',0.05)) x(key, w) where ind = 'COV-04';
insert into demand_stages select k, o, s, key, floor(d * w), floor(d * w) * 187500 from base, (values ('captured',0.03),('accepted',0.07),('matched',0.2),('applied',0.15),('approved',0.1),('disbursed',0.2),('cultivating',0.1),('rejected',0.06),('closed',0.05),('withdrawn',0.04)) x(key, w) where ind = 'CNV-01';
create temp table late as select period, s, n, k, o, ind, cast(hash(o || ind || s) % 1000 as bigint) h, if(s <= date '2026-07-01', '封账', '暂定') status
 from p, (select 'grid' k, grid_id o, 1 w from dim_grid union all select 'community', area_id, 2 from dim_area where kind in ('community', 'village') union all select 'street', o, 24 from org where k = 'street'
  union all select 'district', 'd', 1220 from org where k = 'district' union all select 'bank', 'b' || n, 150 from range(1, 9) r(n)) places,
 (values ('CNV-02'), ('CNV-02.median'), ('CNV-02.p90'), ('CNV-04'), ('CNV-05'), ('CNV-06'), ('CNV-12'), ('CNV-12.d3'), ('CNV-12.d7'), ('CNV-12.d15'), ('CNV-12.over'), ('COV-05'), ('COV-07'), ('COV-07.d180'), ('COV-07.d365'), ('COV-07.never'), ('DQ-05')) i(ind)
 where case when ind in ('CNV-06') then period in ('M', 'YTD') when ind like 'CNV-12%' or ind like 'COV-07%' then period = 'CUM' else period = 'M' end
  and case when ind like 'CNV-02%' or ind = 'DQ-05' then k in ('district', 'bank') when ind = 'COV-05' then k in ('district', 'street') when ind like 'COV-07%' then k <> 'bank' else true end;
insert into indicators select l.period, l.s, l.k, l.o, l.ind, 1, cast(case when ind like 'CNV-02.%' then if(ind like '%p90', 4000, 800) + h when ind = 'CNV-02' then den * (75 + h % 20) // 100 when ind = 'CNV-04' then den * (15 + h % 20) // 100
   when ind = 'CNV-05' then den * (37000 + h * 61) when ind = 'CNV-06' then den * (1 + h % 3) // 10 * if(period = 'YTD', 9, 1) when ind like 'CNV-12%' then den * case ind when 'CNV-12' then 16 when 'CNV-12.d3' then 8 when 'CNV-12.d7' then 4 when 'CNV-12.d15' then 3 else 1 end // 20
   when ind = 'COV-05' then den * (60 + h % 40) // 100 when ind = 'DQ-05' then den * (80 + h % 20) // 100 else universe * case ind when 'COV-07' then 60 when 'COV-07.d180' then 50 when 'COV-07.d365' then 40 else 30 end // 100 end as bigint),
  cast(case when ind in ('CNV-02', 'CNV-04', 'COV-05', 'DQ-05') then den when ind = 'CNV-05' then den * 185000 end as bigint), null, l.status, 'r', 'h', date '2026-11-22'
 from (select *, case when ind = 'CNV-04' and s > date '2026-08-01' or ind = 'CNV-05' and s > date '2026-08-01' then 0 when ind = 'COV-05' then if(k = 'district', 1220, 24) when k = 'district' then 600 when k = 'street' then 12 when k = 'bank' then 75 else h % 3 end den,
   coalesce((select any_value(denominator) from indicators u where u.indicator = 'COV-02' and u.org_kind = late.k and u.org_id = late.o), 0) universe from late) l where not (ind like 'CNV-02%' and s = date '2024-11-01');
insert into demand_funnel select k, o, s, step, place, floor(d * w), floor(d * w) * 187500, s <= date '2026-07-01' from base, (values ('registered', 1, 1.0), ('accepted', 2, 0.95), ('matched', 3, 0.82), ('contacted', 4, 0.74), ('applied', 5, 0.5), ('approved', 6, 0.38), ('disbursed', 7, 0.31)) x(step, place, w)
 where ind = 'CNV-01' and d > 0;
insert into loan_evidence select 'district', 'd', s, key, n * 3, n * 3 * 187500 from p, (values ('bank_confirmed'), ('system'), ('bank_entered'), ('self_reported')) e(key) where period = 'M' and s < date '2026-11-01';
insert into demand_needs select k, o, s, key, floor(n * w), floor(n * w) * 187500 from base, (values ('working_capital',0.5),('equipment',0.2),('upgrade',0.1),('green',0.05),('startup',0.1),('other',0.05)) x(key, w) where ind = 'CRD-01' and period = 'M';
`)
}

func renderTo(t testing.TB, marts string) (string, []string) {
	t.Helper()
	dir := t.TempDir()
	files, err := Render(context.Background(), marts, dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, files
}
