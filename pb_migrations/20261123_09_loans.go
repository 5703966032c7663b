package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// Loans, one row per contract, and with them the demand's relation to the loan that it is to renew.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		enterprises, demands, banks, harbours := find(app, "enterprises"), find(app, "demands"), find(app, "banks"), find(app, "harbours")

		loans := newBase("loans",
			rel("enterprise", enterprises, "借款主体"),
			rel("demand", demands, "由哪条融资需求而来；空为银行自行发放"),
			needRel("bank", banks, "放款银行"),
			rel("harbour", harbours, "归属港湾（缺省取需求的受理港湾）"),
			&core.TextField{Name: "contract_no", Max: 60, Presentable: true, Help: "借款合同编号；同一银行内不重复"},
			required(whole("amount", 1, 1e10, "合同金额（元，整数）")),
			number("rate", 0, 36, "年利率（%）"),
			required(date("disbursed_on", "放款日期")),
			date("matures_on", "到期日期"),
			one("kind", "类别：首贷、续贷、增贷、其他", "first_loan", "renewal", "increase", "other"),
			one("borrower", "借款人：企业、个体工商户、企业主", "enterprise", "individual_business", "owner"),
			one("purpose", "用途：生产经营、其他", "business", "other"),
			whole("customer_credit_total", 0, 1e11, "该户在本行的授信总额（元）"),
			many("guarantees", "担保方式：抵押、质押、商业担保、政府性担保、风险补偿池；不选为信用", "mortgage", "pledge", "commercial", "government", "risk_pool"),
			rel("guarantor", banks, "担保机构"),
			number("guarantee_fee_rate", 0, 20, "担保费率（% 每年）"),
			whole("relending_amount", 0, 1e10, "其中再贷款资金（元）"),
			boolean("revolving", "随借随还"),
			whole("compensated_amount", 0, 1e10, "风险补偿金额（元）"),
			date("first_loan_checked_on", "首贷查询日期：银行查征信确认此前无经营性贷款的日期"),
			one("evidence", "证据等级：走访自报、银行填报、银行确认、系统对接；只升不降", "self_reported", "bank_entered", "bank_confirmed", "system"),
			date("confirmed_at", "达到“银行确认”的时间（系统填写）"),
			date("renewal_asked", "申请续贷日期"),
			one("renewal_result", "续贷结果：办理中、已续贷、未通过、撤回", "pending", "renewed", "refused", "withdrawn"),
		)
		loans.Fields.Add(captured()...)
		loans.Fields.Add(scopes("scope_harbour", "scope_bank")...)
		readable(loans, signedIn+` && (`+holdsHarbour+` || `+holdsBank+`)`)
		loans.AddIndex("loans_contract", true, "bank, contract_no", "contract_no != ''")
		loans.AddIndex("loans_enterprise", false, "enterprise", "")
		loans.AddIndex("loans_demand", false, "demand", "demand != ''")
		loans.AddIndex("loans_scope_bank", false, "scope_bank", "")
		loans.AddIndex("loans_scope_harbour", false, "scope_harbour", "")
		loans.AddIndex("loans_disbursed", false, "disbursed_on", "")
		if err := app.Save(loans); err != nil {
			return err
		}

		demands.Fields.Add(rel("renewed_loan", loans, "要续的是哪笔贷款（续贷需求）"))
		demands.AddIndex("demands_renewed_loan", false, "renewed_loan", "renewed_loan != ''")
		return app.Save(demands)
	}, func(app core.App) error {
		demands := find(app, "demands")
		demands.RemoveIndex("demands_renewed_loan")
		demands.Fields.RemoveByName("renewed_loan")
		if err := app.Save(demands); err != nil {
			return err
		}
		// A trigger on harbours names the table; it is made anew at the next start.
		if err := execAll(app, `DROP TRIGGER IF EXISTS sync_harbours_host`); err != nil {
			return err
		}
		return dropAll(app, "loans")
	})
}
