import type { RouteRecordRaw } from 'vue-router'

/** What waits, what came back, what differs. */
export const routes: RouteRecordRaw[] = [
  { path: '/sync', name: 'sync', component: () => import('./SyncPage.vue') },
  { path: '/sync/attention/:mutation', name: 'attention', component: () => import('./AttentionPage.vue'), props: true },
]
