package hooks

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	validation "github.com/pocketbase/ozzo-validation/v4"
)

// Error is what a caller is told: a code for machines, a Chinese sentence for people, and data that helps.
type Error struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data,omitempty"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// FieldError says what is wrong with one field of one record ("_" stands for the record as a whole).
type FieldError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// FieldErrors is by field name.
type FieldErrors map[string]FieldError

func (f FieldErrors) Error() string {
	parts := make([]string, 0, len(f))
	for k, v := range f {
		parts = append(parts, k+": "+v.Message)
	}
	sort.Strings(parts)
	return strings.Join(parts, "; ")
}

// The catalogue of rule violations: one line a code, the sentence a grid worker reads on the phone.
var catalogue = map[string]string{
	// whole calls
	"bad_request":              "请求内容不完整或格式不对，请更新应用后再试",
	"unauthorized":             "登录已过期，请重新登录；未上报的记录仍在手机里",
	"device_suspended":         "这台设备已被停用，请联系管理员",
	"device_wiped":             "这台设备已被清除，请联系管理员",
	"device_drain_only":        "这台设备已更换，只能上报剩余记录，不能再下载",
	"device_foreign":           "这台设备登记在他人名下，请用原账号登录或联系管理员",
	"password_change_required": "请先修改初始密码",
	"protocol_unsupported":     "应用与服务器的协议版本不符，请更新应用",
	"epoch_changed":            "服务器数据已恢复到较早的备份，应用将自动补报",
	"too_large":                "内容过大，请分批上报",
	"upgrade_required":         "应用版本过旧，请更新后再下载数据",
	"slow_down":                "请求过于频繁，请稍后再试",
	"feed_broken":              "服务器的变更记录不完整，已停止接收上报，请管理员运行 gangwan doctor --fix；手机里的记录请保留",
	"internal":                 "服务器出错，请稍后再试；未上报的记录仍在手机里",
	"hidden_field":             "不能按看不到的字段查询",
	// an operator's commands
	"no_database":     "没有找到数据库，请用 --dir 指明数据目录",
	"database_in_use": "数据库正在使用，请先停止服务和其他 gangwan 命令再恢复",
	"restore_running": "正在从备份恢复，请等恢复完成",
	"stock_backup":    "请在服务器上用 gangwan backup、gangwan restore：这里的备份与恢复会丢失手机已上报的记录",
	"backup_inside":   "备份不能放在数据目录里面",
	"backup_exists":   "已有同名的备份，不会覆盖",
	"backup_unknown":  "这不是 gangwan backup 做的备份",
	"backup_damaged":  "备份已损坏，没有改动任何数据",
	"backup_newer":    "备份来自更新的版本，请先更新程序",
	// accounts
	"password_length": "新密码至少 8 位，最多 70 个字节",
	"wrong_password":  "原密码不正确",
	"password_same":   "新密码不能与原密码相同",
	// access and its log
	"closed_in_production": "正式运行时不能这样操作：表结构只由程序升级改变，数据只按规则改变",
	"export_not_allowed":   "你没有导出的权限，请联系区管理员开通“可导出”；页面仍可查看",
	"log_kept":             "操作日志不能修改或删除",
	"log_days":             "操作日志的保存天数是 180 到 9999 的整数（网络安全法要求至少六个月）",
	// mutations
	"bad_mutation":       "这条上报无法识别",
	"mutation_reused":    "同一上报编号已用于其他内容",
	"record_exists":      "同一编号的记录已存在，内容不同",
	"record_gone":        "这条记录已被删除",
	"record_unknown":     "服务器没有这条记录",
	"parent_missing":     "所属记录一直没有上报",
	"out_of_scope":       "这条记录不在你负责的范围内",
	"already_settled":    "原上报已处理，不能再次更正",
	"replaced":           "已由更正后的上报代替",
	"record_referenced":  "这条记录已被其他记录引用，不能删除",
	"not_own_record":     "只能删除自己上报的记录",
	"checksum_mismatch":  "照片传输不完整，将重新上传",
	"attachment_reused":  "同一照片编号已用于其他照片",
	"not_a_picture":      "文件不是 JPEG、PNG 或 WebP 图片",
	"attachment_unknown": "没有这张照片的记录",
	// what an administrator decides about them
	"resolved_before":         "这一条已经处理过了，请刷新后查看处理结果",
	"evidence_kept":           "上报的内容和收到时的情况是凭据，不能修改；只能填写处理、处理说明和更正后的上报",
	"replay_refused":          "重新办理未通过",
	"replay_waits":            "所引用的记录还没有上报，请先处理那条记录",
	"correction_other_record": "更正后的上报必须是同一条记录",
	"author_gone":             "上报人的账号已不存在，不能以其名义办理",
	"value_changed":           "服务器上的值在冲突后又有改动，请核对后再处理一次。现在的值：",
	"audit_kept":              "上报处理记录不能修改或删除",
	"settle_instead":          "被退回的上报和冲突不能删除，请选择处理方式",
	"system_only":             "这类记录只由系统生成",
	"device_kept":             "设备不能删除，请改为停用或清除",
	"device_bound":            "设备只属于一个人，不能改给他人",
	// fields
	"required":              "请填写",
	"wrong_type":            "格式不对",
	"not_in_list":           "不在可选范围内",
	"too_long":              "内容过长",
	"too_small":             "数值过小",
	"too_big":               "数值或文件过大",
	"not_whole":             "请填写整数",
	"bad_pattern":           "格式不对",
	"unknown_reference":     "所引用的记录不存在",
	"not_unique":            "已存在相同内容",
	"invalid":               "内容不符合要求",
	"ends_before_start":     "结束时间早于开始时间",
	"worker_not_self":       "走访人须为本人",
	"not_self":              "须为本人",
	"applicant_needed":      "请选择市场主体或填写申请人",
	"stage_not_allowed":     "当前阶段不能这样变更",
	"reason_needed":         "请填写原因",
	"match_needed":          "请指明对接的银行",
	"match_of_other_demand": "所选对接不属于这条需求",
	"match_open":            "该银行已有办理中的对接",
	"amount_needed":         "请填写金额",
	"time_before_previous":  "时间早于上一步骤",
	"role_not_allowed":      "你的角色不能办理此事项",
	"to_user_needed":        "请选择接手人",
	"bank_not_own":          "只能办理本行的对接",
	"bad_uscc":              "统一社会信用代码格式不对",
	// one enterprise, one record
	"merge_same":        "保留的和并入的是同一户，请选择两户不同的记录",
	"merge_done":        "这一户已经并入别的主体，请先撤销那一次合并",
	"merge_kept_gone":   "保留的一户自己已并入别的主体或标为重复，请选择合并后留下的那一户",
	"merge_judged":      "这两户已判为两户不同；要改变判断，请先把那条记录改为“撤销”",
	"merge_uscc":        "两户的统一社会信用代码不同，按规定是两户；确属同一户的，请在“说明”里写明依据",
	"merge_kept_fields": "合并与判定的记录不能修改；如有误，请把决定改为“撤销”后另建一条",
	"merge_undone":      "已撤销的记录不能再用，请另建一条",
	"merge_undo_first":  "保留的一户后来又并入别的主体，请先撤销那一次合并",
	"merge_not_deleted": "合并与判定的记录不能删除；如有误，请把决定改为“撤销”",
	"merge_instead":     "请到“合并与判定”里合并或撤销，不能直接改这一项",
	// facts
	"phone_letters":       "电话里不能有文字或字母",
	"phone_several":       "一栏只写一个电话号码",
	"bad_phone":           "电话号码不对：手机 11 位，固定电话写区号，如 023-58123456",
	"coordinates_swapped": "经度和纬度写反了：万州在东经 108 度、北纬 30 度左右",
	"coordinates_outside": "位置不在中国境内，请核对经纬度",
	"bad_industry":        "行业代码不对：应为 GB/T 4754-2017 的门类字母（A–T）或 2–4 位数字，如 52、6210",
	// lists and answers
	"batch_closed":      "这份名单已经核对或分发，不能再改；请另行上传一份",
	"department_only":   "只有部门账号可以上传推送名单",
	"bank_only":         "只有银行账号可以下载和上传答复表",
	"file_needed":       "请选择要上传的文件",
	"key_mismatch":      "这一行的名称与编号对不上，可能只排序了部分列；请重新下载答复表",
	"changed_meanwhile": "下载之后这一项已有改动，没有覆盖；请重新下载答复表核对",
	// loans
	"approval_needed":            "本行对这条需求还没有审批通过，请先登记审批结果",
	"amount_above_approval":      "合同金额超过批准金额",
	"enterprise_of_other_demand": "借款主体与融资需求的主体不一致",
	"demand_ended":               "这条需求已撤回、办结或作废，不能再登记放款，请联系港湾",
	"evidence_lowered":           "证据等级只升不降",
	"date_in_future":             "日期不能晚于今天",
	"checked_after_loan":         "首贷查询日期不能晚于放款日期",
	// inspections and what they demand
	"time_in_future":              "时间不能晚于现在",
	"inspection_done":             "检查已完成，结果不能再改，只能补充说明和照片",
	"items_unreadable":            "检查项目的格式不对，请更新应用后再填",
	"item_not_in_force":           "检查时没有这个项目",
	"item_twice":                  "同一项目填了两次",
	"item_result_needed":          "请逐项填写合格、不合格或不适用",
	"item_always_applies":         "这一项没有“有条件”的说法，不能填不适用",
	"item_remark_needed":          "不合格的项目请写明情况",
	"harbour_of_other_inspection": "整改港湾与受检港湾不一致",
	"done_before_found":           "完成日期早于检查日期",
	"not_done_yet":                "港湾还没有填写完成日期，不能通过复查",
	"recheck_passed":              "复查已通过，不能再改完成日期",
	// duty
	"duty_person_needed": "请选择当值人员或填写姓名",
	"not_of_harbour":     "所选人员不属于本港湾",
	"slot_taken":         "此人这个半天已有排班",
	"checked_in_before":  "已经签到，不能再改",
	"outside_duty_hours": "不在当值时段内，不能签到",
	"not_on_duty_day":    "抽查时间不在当值当天",
	"spot_check_self":    "不能抽查自己的在岗情况",
	"spot_check_stands":  "主管部门的抽查结果不能由港湾更改",
	// activities
	"activity_held":          "已举办的活动不能再改为计划或取消",
	"plan_date_needed":       "请填写计划最迟举办日期或举办时间",
	"headcount_below_roster": "到场人数少于签到人数",
	"topics_needed":          "请选择活动主题",
	"area_of_other_kind":     "举办地与活动类别不符",
	// pairings, windows, harbours, handbooks
	"plate_needs_liaison":     "服务牌上须有双方联络员的姓名、电话、单位和地址，请先填写",
	"verified_before_pairing": "联系簿核对日期早于结对开始日期",
	"area_not_paired":         "结对对象须为街道、镇乡、商圈、园区、专业市场或楼宇",
	"pairing_in_force":        "这个港湾与该区划已有结对，请先填写原结对的结束日期",
	"window_place_needed":     "请填写窗口所在网格或供应资料的港湾",
	"bad_harbour_number":      "港湾编号只能用汉字、字母、数字和短横线，并以数字结尾",
	"host_bank_needed":        "运行中的港湾须有主办行",
	"host_no_bank":            "主办行须为银行",
	"partner_is_host":         "主办行不能同时是协办行",
	"range_reversed":          "上限小于下限",
	// reviews
	"status_back":        "已提交或已公布的不能退回",
	"submit_first":       "请先提交",
	"score_above_full":   "得分不能超过满分",
	"score_exists":       "本单位已给这个港湾的这一项评过分",
	"score_published":    "评分已公布，只有申诉改分后才能再改",
	"scores_apart":       "与另一家单位的评分相差过大，请先联合复核再公布",
	"agency_not_own":     "只能以本单位名义评分",
	"no_scheme":          "这个期间没有启用的考核方案",
	"item_not_in_scheme": "考核方案中没有这个项目",
	"item_by_system":     "这一项由系统检测计分，不需要评分",
	"appeal_exists":      "这一项已经申诉过",
	"no_published_score": "这一项还没有公布评分",
	"appeal_late":        "已超过公布后的申诉期限",
	"appeal_answered":    "申诉已答复，不能再改",
	// steering
	"task_all_done":            "进度为100%的任务请改为已完成",
	"base_no_bank":             "承办机构须为银行",
	"bad_link":                 "链接须以 http:// 或 https:// 开头",
	"target_below_floor":       "目标值不优于下限值",
	"scheme_unreadable":        "格式不对，请按说明填写",
	"scheme_in_use":            "已有评分使用这个方案，请停用后新建一版",
	"scheme_in_force":          "同一时间只能有一个启用的方案，请先填写原方案的停用日期",
	"scheme_item_incomplete":   "项目缺少维度、代码、名称或分值",
	"scheme_item_twice":        "项目代码重复",
	"scheme_item_unmeasured":   "系统检测的项目须有指标、下限和目标",
	"scheme_by_unknown":        "考核方式须为 S（系统检测）、I（定期巡查）或 R（听取报告）",
	"scheme_indicator_unknown": "指标代码不对",
	"scheme_weights":           "各项权重之和须为100",
	"grades_not_falling":       "等次须由高到低",
	"settled_before_loan":      "结清日期不能早于放款日期",
	// demands, handed on
	"void_only_duplicate":        "只有重复登记才能作废，请改用撤回或未成办结",
	"handover_before_acceptance": "还没有首问负责人，请先受理",
	"handover_to_self":           "接手人已是首问负责人",
	"handover_not_yours":         "只能由首问负责人、港湾负责人或接手人本人办理交接",
	"handover_elsewhere":         "接手人须是现在服务这条需求的港湾的当值人员或负责人",
	"handover_superseded":        "首问负责人已换人，请重新办理交接",
	"handover_confirmed":         "交接已确认，不能再改",
	"referral_not_dispatched":    "名单尚未分发",
	"referral_of_other":          "推送名单上的不是这个主体",
	"loan_of_other_enterprise":   "要续的贷款不是这个主体的",
	"demand_of_other_enterprise": "所选融资需求不是这个主体的",
	"demand_is_void":             "所选融资需求已作废",
	"referral_not_own":           "只能答复推送给本行的企业",
	"line_not_own":               "只能登记本行的授信",
	"demand_never_cultivated":    "请先把这条需求转入融资培育",
	// services
	"person_or_enterprise":   "请选择市场主体或填写办事人",
	"completed_before_start": "办结时间早于受理时间",
	"result_needed":          "办结须填写办理结果",
	"special_group_needed":   "特殊群体服务请选择属于哪一类",
	"demand_needed":          "请选择由此而来的融资需求",
	"demand_not_here":        "只有融资需求对接的服务登记融资需求",
	// feedback
	"anonymous_named":        "匿名反映不能填写市场主体和联系人",
	"reporter_unknown":       "请选择市场主体、填写联系人，或勾选匿名",
	"owner_complained_of":    "承办人不能是被投诉人",
	"owner_cannot_act":       "承办人须为港湾人员或主管部门人员",
	"not_a_complaint":        "只有投诉和金融消费者权益事项需要核查",
	"finding_stands":         "核查结论不能再改，请联系管理员",
	"answer_needed":          "请先填写答复内容和答复时间",
	"delivery_needed":        "答复送达本人后才能办结",
	"ask_satisfaction_first": "请先填写询问满意度的时间",
	"harbour_needed":         "请先指明受理港湾",
	// risk leads
	"found_after_report":   "发现时间晚于报告时间",
	"lead_handed":          "线索已移送，内容不能再改",
	"hand_to_office_first": "线索须先移送金融工作部门",
	"hand_first":           "请先移送金融工作部门",
	"pass_to_authority":    "再移送部门须为公安、法院或市场监管",
	"agency_and_time":      "部门和时间须同时填写",
	// lists of departments
	"batch_not_dispatched": "名单尚未分发，不能答复",
	"batch_dispatched":     "名单已分发，不能再改",
	"batch_empty":          "名单里没有企业",
	"rows_unmatched":       "这些行还没有对应到市场主体",
	"rows_without_bank":    "这些行还没有指定银行",
	"answer_time_needed":   "请填写答复时间",
	// credit lines, cultivation, policies
	"used_above_line":           "已用金额超过授信金额",
	"product_of_other_bank":     "所选产品不是本行的",
	"cultivation_active":        "这个主体已在培育中",
	"cultivation_ended":         "培育已结束，不能恢复，请重新登记",
	"receipt_time_needed":       "请填写回执时间",
	"receipt_needed":            "请选择回执",
	"policy_not_in_force":       "推送时这项政策不在有效期内",
	"visit_of_other_enterprise": "所选走访不是这个主体的",
	// key enterprises
	"staff_not_of_harbour": "服务人员须为服务港湾或其主办行的人员",
	"key_list_incomplete":  "列入日期和清单来源须同时填写",
}

// Err makes the error of a whole call from the catalogue.
func Err(code string) *Error { return &Error{Code: code, Message: Message(code)} }

// With adds data to an error of a whole call.
func (e *Error) With(key string, value any) *Error {
	if e.Data == nil {
		e.Data = map[string]any{}
	}
	e.Data[key] = value
	return e
}

// Message is the Chinese sentence of a code.
func Message(code string) string {
	if m, ok := catalogue[code]; ok {
		return m
	}
	return catalogue["invalid"]
}

// Violation is a validation error for one field, in the form that PocketBase returns from its API.
func Violation(field, code string) error {
	return validation.Errors{field: validation.NewError(code, Message(code))}
}

// ViolationOf is a Violation that names what it is about among several.
func ViolationOf(field, code, named string) error {
	return validation.Errors{field: validation.NewError(code, Message(code)+"："+named).SetParams(map[string]any{"named": named})}
}

// PocketBase's own validation codes, in our words.
var ownCode = map[string]string{
	"validation_required":               "required",
	"validation_not_enough_values":      "required",
	"validation_invalid_value":          "not_in_list",
	"validation_in_invalid":             "not_in_list",
	"validation_too_many_values":        "too_long",
	"validation_max_text_constraint":    "too_long",
	"validation_length_too_long":        "too_long",
	"validation_json_size_limit":        "too_long",
	"validation_min_text_constraint":    "too_small",
	"validation_min_number_constraint":  "too_small",
	"validation_max_number_constraint":  "too_big",
	"validation_file_size_limit":        "too_big",
	"validation_invalid_latitude":       "too_big",
	"validation_invalid_longitude":      "too_big",
	"validation_only_int_constraint":    "not_whole",
	"validation_not_a_number":           "wrong_type",
	"validation_unsupported_value_type": "wrong_type",
	"validation_invalid_json":           "wrong_type",
	"validation_invalid_format":         "bad_pattern",
	"validation_match_invalid":          "bad_pattern",
	"validation_forbidden_pk_character": "bad_pattern",
	"validation_pk_invalid":             "record_exists",
	"validation_invalid_or_existing_id": "record_exists",
	"validation_missing_rel_records":    "unknown_reference",
	"validation_not_unique":             "not_unique",
	"validation_invalid_mime_type":      "not_a_picture",
}

// FieldErrorsOf turns a refused save into field errors; ok is false when err is no validation error but a failure.
func FieldErrorsOf(err error) (out FieldErrors, ok bool) {
	var fe FieldErrors
	if errors.As(err, &fe) {
		return fe, true
	}
	var ve validation.Errors
	if !errors.As(err, &ve) {
		return nil, false
	}
	out = FieldErrors{}
	for field, e := range ve {
		var coded validation.Error
		if !errors.As(e, &coded) {
			out[field] = FieldError{Code: "invalid", Message: Message("invalid")}
			continue
		}
		code := coded.Code()
		if own, known := ownCode[code]; known {
			code = own
		} else if _, ours := catalogue[code]; !ours {
			code = "invalid"
		}
		message := Message(code)
		if max, has := coded.Params()["max"]; has && code == "too_long" {
			message = fmt.Sprintf("内容过长，最多 %v 个字", max)
		}
		if named, has := coded.Params()["named"]; has {
			message = fmt.Sprintf("%s：%v", message, named)
		}
		out[field] = FieldError{Code: code, Message: message}
	}
	return out, true
}
