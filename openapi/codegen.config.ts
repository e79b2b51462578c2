import { defineConfig } from '@hey-api/openapi-ts'
import { express } from './express-plugin.ts'
import { guards } from './guards-plugin.ts'
import { knownValues } from './known-values.ts'
import { limits } from './limits-plugin.ts'
import { scopes } from './scopes-plugin.ts'

const types = { name: '@hey-api/typescript', $resolvers: knownValues('closed') } as const
// Who generated a client last year has to pass over what came since.
const typesForOthers = { name: '@hey-api/typescript', $resolvers: knownValues('open') } as const
// Whoever makes a client says where the service is.
const fetchClient = { name: '@hey-api/client-fetch', baseUrl: false } as const

export default defineConfig([
  {
    input: './generated/openapi.yaml',
    output: { path: 'generated/server', importFileExtension: '.ts' },
    plugins: [types, express(), limits(), scopes(), guards({ schemas: ['Lead'] })],
  },
  {
    input: './generated/openapi.yaml',
    output: { path: 'generated/dashboard', importFileExtension: '.ts' },
    plugins: [types, '@hey-api/sdk', fetchClient, limits(), scopes()],
  },
  {
    input: './generated/integrators.yaml',
    output: { path: 'generated/client', importFileExtension: '.ts' },
    plugins: [typesForOthers, '@hey-api/sdk', fetchClient],
  },
])
