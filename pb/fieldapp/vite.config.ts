import { fileURLToPath, URL } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { VantResolver } from '@vant/auto-import-resolver'
import Components from 'unplugin-vue-components/vite'
import { defineConfig } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'

// The server a developer works against: `gangwan serve`, or a demo that goes on serving.
const server = process.env.GANGWAN ?? 'http://127.0.0.1:8090'

export default defineConfig({
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  plugins: [
    vue(),
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
        navigateFallback: '/index.html',
        // The API, the console and the portal are the server's, with or without the app.
        navigateFallbackDenylist: [/^\/api\//, /^\/_\//, /^\/reports/],
        cleanupOutdatedCaches: true,
      },
    }),
  ],
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2020', reportCompressedSize: true },
  server: { host: '127.0.0.1', proxy: { '/api': server, '/reports': server, '/_/': server } },
})
