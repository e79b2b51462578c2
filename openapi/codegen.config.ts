import { defineConfig } from '@hey-api/openapi-ts'
import { express } from './express-plugin.ts'
import { knownValues } from './known-values.ts'
import { limits } from './limits-plugin.ts'
import { scopes } from './scopes-plugin.ts'

const types = { name: '@hey-api/typescript', $resolvers: knownValues('closed') } as const
const input = './generated/openapi.yaml'

export default defineConfig([
  {
    input,
    output: { path: 'generated/server', importFileExtension: '.ts' },
    plugins: [types, express(), limits(), scopes()],
  },
  {
    input,
    output: { path: 'generated/client', importFileExtension: '.ts' },
    plugins: [types, '@hey-api/sdk', '@hey-api/client-fetch', '@tanstack/react-query', limits(), scopes()],
  },
])
