import { resolve } from 'node:path'
import { z } from 'zod'
import { isOfThisMachine } from './address.ts'
import { defaultLimits, type Limits, limitsIn, limitsPattern } from './limit.ts'
import { type MasterSecret, secretKeysIn, secretKeysPattern } from './secrets.ts'

const port = z.coerce
  .number('must be a number')
  .int('must be a whole number')
  .min(0, 'must be 0 to 65535')
  .max(65_535, 'must be 0 to 65535')
// A password may hold a comma.
const severalHosts = /^[^/]*\/\/([^/?]*@|(?![^/?]*@))[^/?@]*,/
const environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(3000),
  PUBLIC_URL: z
    .string()
    .regex(/^https?:\/\/[^/?#\s]+$/, 'must be http:// or https:// with a host, and no path or trailing slash')
    .optional(),
  DATA_DIR: z.string().min(1).default('.data'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, { error: 'must start with postgres://', abort: true })
    .refine((text) => !severalHosts.test(text), {
      error: 'must name one host: after a failover its name or address leads to the new server',
      abort: true,
    })
    .refine((text) => URL.canParse(text), 'must be an address, with the user and the password percent-encoded')
    .optional(),
  SECRET_KEYS: z
    .string()
    .regex(secretKeysPattern, 'must be v1:<32 bytes as base64url>, further ones after commas, the current one first')
    .optional(),
  ADMIN_EMAIL: z
    .string()
    .regex(/^\S+@\S+$/, 'must be an e-mail address')
    .default('admin@dealer.example'),
  ADMIN_PASSWORD: z.string().min(12, 'must have 12 characters at the least').optional(),
  TRUST_PROXY: z
    .string()
    .regex(/^(\d+|[0-9a-fA-F.:/, a-z]+)$/, 'must be a number of proxies, or their addresses')
    .optional(),
  SMTP_URL: z
    .string()
    .regex(/^smtps?:\/\/\S+$/, 'must start with smtp:// or smtps://')
    .refine((text) => URL.canParse(text), 'must be an address, with the user and the password percent-encoded')
    .optional(),
  MAIL_FROM: z
    .string()
    .regex(
      /^([^<>\p{Cc}]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/u,
      'must be an e-mail address, or a name and an address in angle brackets',
    )
    .optional(),
  SECURITY_CONTACT: z
    .string()
    .regex(/^(mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, 'must be mailto: with an e-mail address, or an https:// page')
    .refine((text) => URL.canParse(text), 'must be an address')
    .optional(),
  LIMITS: z
    .string()
    .regex(limitsPattern, 'must be off, or names with amounts such as leads=50/2000,bytes=1073741824')
    .optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
  SESSION_IDLE_MINUTES: z.coerce
    .number('must be a number')
    .int('must be a whole number')
    .min(5, 'must be 5 to 720')
    .max(720, 'must be 5 to 720')
    .default(120),
  DRAIN_SECONDS: z.coerce
    .number('must be a number')
    .int('must be a whole number')
    .min(0, 'must be 0 to 300')
    .max(300, 'must be 0 to 300')
    .default(5),
  WORKERS: z.coerce.number('must be a number').int().min(1, 'must be 1 to 64').max(64, 'must be 1 to 64').default(1),
})

export interface Config {
  host: string
  port: number
  /** The address that clients use, without a slash at its end; issuer and audience of all tokens. */
  publicUrl: string
  dataDir: string
  databaseUrl: string | undefined
  /** Undefined with the embedded database, which has them in a file beside it. */
  secretKeys: readonly [MasterSecret, ...MasterSecret[]] | undefined
  admin: { email: string; password: string | undefined }
  trustProxy: string | number | false
  /** How people are told by mail; undefined when they are not. */
  mail: { smtpUrl: string; from: string } | undefined
  /** Where weaknesses are told of, as an address of RFC 9116. */
  securityContact: string | undefined
  /** How much API keys may do; undefined when nothing is counted. */
  limits: Limits | undefined
  logLevel: string
  /** How long a session lives in which no page asks for a token. */
  sessionIdleSeconds: number
  /** How long requests are still served after SIGTERM, while readiness is refused. */
  drainSeconds: number
  workers: number
}

/** The only reader of the environment. @throws {Error} that names every fault at once, and never a value. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = environment.safeParse(set)
  const faults = [
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')} ${message}`),
    ...missingBeside(set),
    ...(env['DATABASE_URL'] === '' ? ['DATABASE_URL is empty: leave it out for the embedded database'] : []),
  ]
  if (!parsed.success || faults.length > 0)
    throw new Error(['The environment is not right:', ...faults.map((fault) => `  ${fault}`)].join('\n'))
  const values = parsed.data
  return {
    host: values.HOST,
    port: values.PORT,
    publicUrl: values.PUBLIC_URL ?? `http://localhost:${values.PORT}`,
    dataDir: resolve(values.DATA_DIR),
    databaseUrl: values.DATABASE_URL,
    secretKeys: values.SECRET_KEYS === undefined ? undefined : secretKeysIn(values.SECRET_KEYS),
    admin: { email: values.ADMIN_EMAIL, password: values.ADMIN_PASSWORD },
    trustProxy:
      values.TRUST_PROXY === undefined
        ? false
        : /^\d+$/.test(values.TRUST_PROXY)
          ? Number(values.TRUST_PROXY)
          : values.TRUST_PROXY,
    mail: values.SMTP_URL && values.MAIL_FROM ? { smtpUrl: values.SMTP_URL, from: values.MAIL_FROM } : undefined,
    securityContact: values.SECURITY_CONTACT,
    limits: values.LIMITS === undefined ? defaultLimits : limitsIn(values.LIMITS),
    logLevel: values.LOG_LEVEL,
    sessionIdleSeconds: values.SESSION_IDLE_MINUTES * 60,
    drainSeconds: values.DRAIN_SECONDS,
    workers: values.WORKERS,
  }
}

/** What one variable asks of another, whether or not the others are right. */
function missingBeside({
  DATABASE_URL,
  SECRET_KEYS,
  PUBLIC_URL,
  TRUST_PROXY,
  SMTP_URL,
  MAIL_FROM,
}: NodeJS.ProcessEnv): string[] {
  return [
    ...(DATABASE_URL && !SECRET_KEYS ? ['SECRET_KEYS is needed with DATABASE_URL'] : []),
    ...(SMTP_URL && !MAIL_FROM ? ['MAIL_FROM is needed with SMTP_URL: mail comes from somebody'] : []),
    ...(MAIL_FROM && !SMTP_URL ? ['SMTP_URL is needed with MAIL_FROM: mail goes through some server'] : []),
    ...(PUBLIC_URL?.startsWith('https:') && !TRUST_PROXY
      ? [
          'TRUST_PROXY is needed with an https PUBLIC_URL: the proxy in front must be known, or the secure cookie would silently not be sent',
        ]
      : []),
  ]
}

/** What works, and is not safe where others can listen. */
export function dangersOf({ publicUrl, databaseUrl }: Config): string[] {
  const { protocol, hostname } = new URL(publicUrl)
  return [
    ...(protocol === 'https:' || isOfThisMachine(hostname)
      ? []
      : ['PUBLIC_URL is http: passwords, keys and personal data can be read on their way. Put TLS in front']),
    ...(databaseUrl === undefined || isGuarded(new URL(databaseUrl))
      ? []
      : ['DATABASE_URL asks for no TLS: leads can be read on their way. Add sslmode=verify-full']),
  ]
}

/** Whether nobody can listen, or be taken for the database: its certificate is checked. */
function isGuarded({ hostname, searchParams }: URL): boolean {
  const mode = searchParams.get('sslmode') ?? ''
  return isOfThisMachine(searchParams.get('host') ?? decodeURIComponent(hostname)) || /^verify-(ca|full)$/.test(mode)
}
