import { fileURLToPath, URL } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'

// The server a developer works against: `gangwan serve`, or a demo that goes on serving.
const server = process.env.GANGWAN ?? 'http://127.0.0.1:8090'

export default defineConfig({
  // Nothing here is written with the options API.
  define: { __VUE_OPTIONS_API__: 'false' },
  // Dexie's build for today's browsers: its package offers the one for those without modules.
  resolve: { alias: { dexie: fileURLToPath(new URL('./node_modules/dexie/dist/modern/dexie.mjs', import.meta.url)), '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  plugins: [
    // Hoisting what never changes costs 4 KB of code and wins nothing on pages this small.
    vue({ template: { compilerOptions: { hoistStatic: false } } }),
    VitePWA({
      strategies: 'injectManifest',
      srcDir: 'src',
      filename: 'sw.ts',
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
      injectManifest: { globPatterns: ['**/*.{js,css,html,png,svg,woff2}'] },
    }),
  ],
  build: {
    outDir: 'dist', emptyOutDir: true, target: 'es2021', modulePreload: { polyfill: false }, reportCompressedSize: true, cssCodeSplit: false,
    // What every page needs is one file each: small files compress badly.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'vendor', test: /node_modules\//, priority: 4 },
            // With the list that the day starts with; all other pages come when they are asked for.
            { name: 'base', test: /src\/(forms|components|store|sync|styles)\/|src\/(App|router)|routes\.ts|pages\/field\/(TodayPage|drafts)|plugin-vue:export-helper|preload-helper|rolldown/, priority: 3 },
            { name: 'pages', test: /src\/pages\/(?!\w+\/(Loan(Sheet|sPage)|ImportSheet|BatchRows))/, priority: 1 },
            // What only banks, departments and officials do, at their desks: no phone carries it (src/sw.ts).
            { name: 'office', test: /src\/pages\/\w+\/(Loan(Sheet|sPage)|ImportSheet|BatchRows)/ },
          ],
        },
      },
    },
  },
  server: { host: '127.0.0.1', proxy: { '/api': server, '/reports': server, '/_/': server } },
})
