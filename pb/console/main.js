// The console in the order of a working day, with Chinese names beside the collections' own.
const groups = [
  ["要办的事", { overdue_demands: "逾期未对接需求", overdue_feedback: "超时未答复反馈", overdue_rectifications: "逾期未整改", unshown_activities: "缺佐证的活动", unassigned_enterprises: "待分配企业", unconfirmed_finds: "现场发现待确认", suspected_duplicates: "疑似重复", enterprise_merges: "合并与判定", sync_rejections: "被退回的上报", sync_conflicts: "冲突", open_sync_issues: "待处理冲突与退回", silent_workers: "长期未上报网格员", backlog_devices: "积压设备", report_runs: "统计运行记录" }],
  ["走访与需求", { enterprises: "市场主体", visits: "走访", photos: "照片", demands: "融资需求", demand_matches: "融资对接", demand_events: "需求进展", loans: "贷款" }],
  ["服务与培育", { services: "综合服务", feedback: "问题反馈", cultivations: "融资培育台账", credit_lines: "授权授信清单", policy_pushes: "政策推送", activities: "活动", risk_leads: "非法金融活动线索" }],
  ["推送名单", { referral_batches: "推送名单", referrals: "推送企业", equity_cases: "直接融资", relending_bases: "再贷款示范基地" }],
  ["标准化建设", { inspections: "标准化建设检查", rectifications: "整改", duty_rosters: "当值安排", pairings: "结对互助", contacts: "对口联系名册", window_packs: "窗口资料包", inspection_items: "检查项目" }],
  ["督查考核与宣传", { tasks: "任务分解", reviews: "听取报告与评分", assessment_schemes: "考核方案", indicator_targets: "指标目标", publicity: "宣传与典型案例" }],
  ["人员与设备", { users: "用户", assignments: "网格分配", devices: "设备" }],
  ["港湾与区划", { harbours: "金融服务港湾", banks: "金融机构", agencies: "部门与机构", grids: "网格", areas: "行政区划" }],
  ["手册与参数", { policies: "金融政策宣传手册", products: "产品和服务手册", parameters: "参数", holidays: "节假日与调休" }],
  ["记录", { read_log: "操作日志", sync_audit: "上报处理记录", scope_history: "归属历史" }],
];

const order = groups.flatMap(([, members]) => Object.keys(members));
const place = (c) => (c.system ? order.length + 1 : order.indexOf(c.name) < 0 ? order.length : order.indexOf(c.name));

app.utils.sortedCollectionsByType = (collections = []) =>
  app.utils.sortedCollections(collections).sort((a, b) => place(a) - place(b));

const style = document.createElement("style");
style.textContent = groups
  .map(([title, members]) => {
    const names = Object.keys(members);
    const labels = names.map((n) => `.collections-list .nav-item[title="${n}"] .txt::before { content: "${members[n]}"; display: block; font-size: 14px; line-height: 1.3; }`);
    const head = `.nav-group-regular-collections .nav-item[title="${names[0]}"] { margin-top: 30px; position: relative; overflow: visible; }
.nav-group-regular-collections .nav-item[title="${names[0]}"]::before { content: "${title}"; position: absolute; left: 6px; top: -22px; font-size: 12px; font-weight: 600; opacity: .6; }`;
    return labels.join("\n") + "\n" + head;
  })
  .join("\n");
style.textContent += ".collections-list .nav-item .txt { font-size: 11px; line-height: 1.2; }";
document.head.appendChild(style);


// The head of a column says in Chinese what its help begins with; a view's columns, which have none, what they are here.
const columns = {
  id: "编号", created: "建立", updated: "更新", step: "待办步骤", over_days: "逾期工作日", since: "起算时间", days: "天数", last_contact: "最近联系", pending: "手机上未报",
  waiting: "等待所属记录", why: "原因", skew_seconds: "时钟偏差（秒）", rejected: "被退回", conflicts: "冲突", oldest: "最早一条", enterprise: "市场主体", demand: "融资需求", activity: "活动", feedback: "问题反馈", rectification: "整改", user: "用户",
  device: "设备", keep: "建议保留", other: "另一户", reasons: "理由",
  keep_uscc: "建议保留的信用代码", other_uscc: "另一户的信用代码", keep_grid: "建议保留的网格", other_grid: "另一户的网格", email: "邮箱", verified: "已验证", emailVisibility: "邮箱公开",
};
const heads = document.createElement("style");
document.head.appendChild(heads);
// Fields of the same name mean the same: a view takes the help of the table it shows.
const helpOf = (name) => (app.store.collections || []).flatMap((c) => c.fields).find((f) => f.name === name && f.help)?.help;
watch(
  () => app.store.activeCollection,
  (c) => {
    heads.textContent = (c?.fields || [])
      .map((f) => {
        const said = (f.help || columns[f.name] || helpOf(f.name) || "").split(/[：；，。（]/)[0];
        return said ? `th.col-field-name-${f.name} .txt::after { content: "${said.replace(/["\\]/g, "")}"; display: block; font-size: 11px; font-weight: 400; opacity: .7; white-space: nowrap; }` : "";
      })
      .join("\n");
  },
);
