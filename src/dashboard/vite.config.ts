import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

const service = 'http://localhost:3000'
// Signing in is for pages of the service only; to it, the page that stands here is one.
const sameOrigin = { target: service, headers: { origin: service } }

/** Compressed once here, and as small as it gets, so that the server only hands out files. */
const precompressed: Plugin = {
  name: 'precompressed',
  apply: 'build',
  writeBundle({ dir = '' }) {
    for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.(js|css|svg)$/.test(file),
    )) {
      const content = readFileSync(join(dir, name))
      writeFileSync(
        join(dir, `${name}.br`),
        brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }),
      )
      writeFileSync(join(dir, `${name}.gz`), gzipSync(content, { level: 9 }))
    }
  },
}

export default defineConfig({
  root: import.meta.dirname,
  plugins: [precompressed],
  // Nothing may stand inside the page as data: or inline script; the policy allows files of this server only.
  build: {
    outDir: '../../dist/dashboard',
    emptyOutDir: true,
    target: 'es2024',
    // The first that know light-dark(): what stands in for it elsewhere does not follow Mantine's choice of theme.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2_000,
    // Mantine marks its modules for a server that renders them; there is none.
    rolldownOptions: {
      onLog: (level, log, next) => void (log.code === 'MODULE_LEVEL_DIRECTIVE' || next(level, log)),
      output: { codeSplitting: { groups: [{ name: 'kit', test: /node_modules/ }] } },
    },
  },
  // `npm run dev`: the page is reloaded as it changes, and asks the service that runs beside it.
  server: { port: 5173, proxy: { '/v1': sameOrigin, '/docs': service, '/openapi': service } },
})
