import { readFile } from 'node:fs/promises'
import { fileURLToPath, URL } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { VantResolver } from '@vant/auto-import-resolver'
import Components from 'unplugin-vue-components/vite'
import { defineConfig, type Plugin } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'

// The server a developer works against: `gangwan serve`, or a demo that goes on serving.
const server = process.env.GANGWAN ?? 'http://127.0.0.1:8090'

// Vant's icons are a font of 28 KB inside its CSS, half as much as the whole framework; src/styles/icons.css draws the few in use.
const ownIcons: Plugin = {
  name: 'own-icons',
  enforce: 'pre',
  load(id) {
    return /vant\/es\/icon\/index\.css(\?|$)/.test(id) ? readFile(new URL('./src/styles/icons.css', import.meta.url), 'utf8') : undefined
  },
}

export default defineConfig({
  // Neither this app nor Vant is written with the options API.
  define: { __VUE_OPTIONS_API__: 'false' },
  // Dexie's build for today's browsers: its package offers the one for those without modules.
  resolve: { alias: { dexie: fileURLToPath(new URL('./node_modules/dexie/dist/modern/dexie.mjs', import.meta.url)), '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  plugins: [
    ownIcons,
    // Hoisting what never changes costs 4 KB of code and wins nothing on pages this small.
    vue({ template: { compilerOptions: { hoistStatic: false } } }),
    Components({ resolvers: [VantResolver()], dirs: [], dts: 'src/components.d.ts' }),
    VitePWA({
      // An update waits until the worker takes it: never inside a form.
      registerType: 'prompt',
      injectRegister: false,
      manifest: {
        name: '港湾走访',
        short_name: '港湾',
        description: '民营小微企业和个体工商户金融服务港湾',
        lang: 'zh-CN',
        start_url: '/',
        display: 'standalone',
        background_color: '#f5f7fa',
        theme_color: '#0b6aa2',
        icons: [
          { src: '/icon-192.png', sizes: '192x192', type: 'image/png' },
          { src: '/icon-512.png', sizes: '512x512', type: 'image/png' },
          { src: '/icon-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
        ],
      },
      workbox: {
        globPatterns: ['**/*.{js,css,html,png,svg,woff2}'],
        // Only banks, departments and officials open it: kept from the first time on, by a desk and by no phone.
        globIgnores: ['assets/office-*'],
        runtimeCaching: [{ urlPattern: /\/assets\/office-/, handler: 'CacheFirst', options: { cacheName: 'office' } }],
        navigateFallback: '/index.html',
        // The API, the console and the portal are the server's, with or without the app.
        navigateFallbackDenylist: [/^\/api\//, /^\/_\//, /^\/reports/],
        cleanupOutdatedCaches: true,
        inlineWorkboxRuntime: true,
      },
    }),
  ],
  build: {
    outDir: 'dist', emptyOutDir: true, target: 'es2021', modulePreload: { polyfill: false }, reportCompressedSize: true, cssCodeSplit: false,
    // What every page needs is one file each: small files compress badly.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'vendor', test: /node_modules\/(?!signature_pad)/, priority: 4 },
            // With the list that the day starts with; all other pages come when they are asked for.
            { name: 'base', test: /src\/(forms|components|store|sync|styles)\/|src\/(App|router)|routes\.ts|pages\/field\/(TodayPage|drafts)|plugin-vue:export-helper|preload-helper|rolldown/, priority: 3 },
            { name: 'pages', test: /src\/pages\/(?!\w+\/(Loan(Sheet|sPage)|ImportSheet|BatchRows))/, priority: 1 },
            // What only banks, departments and officials do, at their desks: no phone carries it (runtimeCaching above).
            { name: 'office', test: /src\/pages\/\w+\/(Loan(Sheet|sPage)|ImportSheet|BatchRows)/ },
          ],
        },
      },
    },
  },
  server: { host: '127.0.0.1', proxy: { '/api': server, '/reports': server, '/_/': server } },
})
