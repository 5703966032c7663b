import { createApp } from 'vue'
import App from './App.vue'
import { fetchPages, router } from './router'
import './styles/base.css'

createApp(App).use(router).mount('#app')
void router.isReady().then(() => (window.requestIdleCallback ?? setTimeout)(() => void fetchPages()))
