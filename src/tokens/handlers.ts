import { type Handlers, scopes } from '../../generated/server/express.gen.ts'
import type { Keyring } from './keyring.ts'

export const getAuthorizationServerMetadata =
  (issuer: string): Handlers['getAuthorizationServerMetadata'] =>
  async () => ({
    status: 200,
    body: {
      issuer,
      token_endpoint: `${issuer}/v1/auth/token`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      // Required by RFC 8414 although no response type is meant by this grant; 'none' says so (OAuth 2.0 Multiple
      // Response Types, section 4).
      response_types_supported: ['none'],
      scopes_supported: [...scopes],
      service_documentation: `${issuer}/docs/`,
    },
  })

export const getJwks =
  (keyring: Keyring): Handlers['getJwks'] =>
  async () => ({ status: 200, body: { keys: keyring.jwks() } })
