import { defineConfig } from '@hey-api/openapi-ts'
import { express } from './express-plugin.ts'
import { limits } from './limits-plugin.ts'
import { scopes } from './scopes-plugin.ts'

const input = './generated/openapi.yaml'

export default defineConfig([
  {
    input,
    output: { path: 'generated/server', importFileExtension: '.ts' },
    plugins: ['@hey-api/typescript', express(), limits(), scopes()],
  },
  {
    input,
    output: { path: 'generated/client', importFileExtension: '.ts' },
    plugins: [
      '@hey-api/typescript',
      '@hey-api/sdk',
      '@hey-api/client-fetch',
      '@tanstack/react-query',
      limits(),
      scopes(),
    ],
  },
])
