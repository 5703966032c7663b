import { createApp, watch } from 'vue'
import App from './App.vue'
import { fetchPages, router } from './router'
import { session } from './store/app'
import './styles/base.css'

createApp(App).use(router).mount('#app')
void router.isReady().then(() => watch(session.signedIn, () => (window.requestIdleCallback ?? setTimeout)(() => void fetchPages()), { immediate: true }))
