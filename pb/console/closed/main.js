// In production the server refuses what these would do (closed_in_production, stock_backup): they are not offered.
delete app.store.settingsNavGroups.Sync;
delete app.store.settingsNavGroups.Debug;
app.store.settingsNavGroups.System = app.store.settingsNavGroups.System.filter((link) => link.href !== "#/settings/backups");

const closed = document.createElement("style");
closed.textContent = ".btn-collection-settings, .sidebar-content.new-collection { display: none; }";
document.head.appendChild(closed);
