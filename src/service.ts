import type { RequestListener } from 'node:http'
import type { RequestHandler } from 'express'
import type { Knex } from 'knex'
import type { Logger } from 'pino'
import { openComingScopes } from './api-keys/coming-scopes.ts'
import * as apiKeys from './api-keys/store.ts'
import { openRefusals, type Refusals } from './audit/refusals.ts'
import { createApp } from './app.ts'
import { cookiesOf } from './cookies.ts'
import type { Report } from './background.ts'
import { causeOf, unavailableFor } from './db/away.ts'
import { type Connection, type Database, openDatabase } from './db/pool.ts'
import { handlersWith } from './handlers.ts'
import { openFeed } from './feed/feed.ts'
import { browserHeaders } from './http/browser-headers.ts'
import { openContract } from './http/contract.ts'
import { securityHandlers } from './http/security.ts'
import { openIntake } from './leads/intake.ts'
import type { Limits } from './limit.ts'
import { type Linker, openLinker } from './linking/linker.ts'
import { openMeter } from './limits/meter.ts'
import { letterWriter } from './notices/letter-writer.ts'
import { openNotifier } from './notices/notifier.ts'
import { type MailSettings, openSender } from './outbox/sender.ts'
import * as outbox from './outbox/store.ts'
import { type Part, stopParts } from './parts.ts'
import * as passkeys from './passkeys/store.ts'
import { Problem } from './problem.ts'
import { Refusal } from './refusal.ts'
import { openRecorder, type Recorder } from './requests/recorder.ts'
import { type MasterSecret, type Secrets, secretsFrom } from './secrets.ts'
import { sessionSeconds } from './sessions/session.ts'
import * as sessions from './sessions/store.ts'
import { openUnfinished } from './sessions/unfinished.ts'
import { openWatcher, type Watcher } from './sources/watcher.ts'
import { openSweeps } from './sweeps.ts'
import { openClocks } from './tokens/clocks.ts'
import { openKeyring } from './tokens/keyring.ts'
import { liveness, writer } from './tokens/liveness.ts'
import * as tokens from './tokens/store.ts'
import { tokenCheck } from './tokens/token.ts'
import { openAttempts } from './users/attempts.ts'
import { devices } from './users/device.ts'
import { openGuessing } from './users/guessing.ts'
import { openPasswords } from './users/passwords.ts'
import * as users from './users/store.ts'
import { maskedEmail } from './users/user.ts'

export interface ServiceOptions {
  connection: Connection
  masters: readonly [MasterSecret, ...MasterSecret[]]
  issuer: string
  trustProxy: string | number | false
  /** How people are told by mail; undefined when they are not. */
  mail?: MailSettings | undefined
  /** How much API keys may do; undefined when nothing is counted. */
  limits?: Limits | undefined
  /** How long a session lives in which no page asks for a token; unless it is said, as long as any. */
  sessionIdleSeconds?: number
  documentation: RequestHandler
  log: Logger
  /** Told the e-mail address of whoever has another password, once that is committed. */
  passwordChanged?: (email: string) => void
  /** Whether it is found out whose the leads are; tests that count events leave it out. */
  linksLeads?: boolean
  /** Refuses to send an answer that the contract does not allow; for tests. */
  strictResponses?: boolean
}

export interface Service {
  app: RequestListener
  database: Database
  secrets: Secrets
  recorder: Recorder
  refusals: Refusals
  /** From now on readiness is refused, and nothing else. */
  refuseReadiness(): void
  /** Ends the answers that would go on for ever. */
  endStreams(): void
  watcher: Watcher
  linker: Linker | undefined
  /** Lets go of the database. The caller has stopped listening before. */
  close(): Promise<void>
}

/** Puts the parts together on a database that is up to date. */
export async function openService({
  connection,
  masters,
  issuer,
  trustProxy,
  mail,
  limits,
  sessionIdleSeconds = sessionSeconds,
  documentation,
  log,
  passwordChanged = () => undefined,
  linksLeads = true,
  strictResponses = false,
}: ServiceOptions): Promise<Service> {
  const database = openDatabase(connection, (level, message, fields) => log[level](fields, message))
  const parts: Part[] = [{ name: 'database', stop: () => database.close() }]
  const close = () => stopParts(parts, (name, error) => log.error({ err: error }, `${name} could not be stopped`))
  try {
    const { db, changes, beside, hot, requireWritable } = database
    const secrets = secretsFrom(masters)
    await requireSameSecrets(db, secrets)

    const check = tokenCheck((kid) => keyring.publicKey(kid), issuer)
    const report: Report = (error, job) => {
      // That the database is away has been told, once for all.
      const level = causeOf(error) ? 'warn' : 'error'
      log[level]({ job, err: error }, 'what is done beside the requests fails')
    }
    const keyring = await openKeyring(
      db,
      secrets,
      check.forget,
      (kid, error) =>
        log.error({ kid, err: error }, 'a signing key cannot be opened: every token that it signed is refused'),
      report,
    )
    parts.push({ name: 'keyring', stop: () => keyring.stop() })
    const judge = liveness(hot, db, keyring)
    const clocks = openClocks(changes)
    const write = writer(clocks, judge, keyring)
    const meter = openMeter(hot, judge, limits, report)
    parts.push({ name: 'meter', stop: () => meter.stop() })
    const intake = openIntake(db, hot, keyring, judge, (error) =>
      log.error({ err: error }, 'a lead could not be stored'),
    )
    const feed = openFeed(db, hot, judge, report)
    parts.push({ name: 'feed', stop: () => feed.stop() })
    const contract = await openContract(securityHandlers(check.check), strictResponses)
    const leadViolations = (lead: unknown) => contract.violationsOf('createLead', lead)
    const customerViolations = (customer: unknown) => contract.violationsOf('upsertCustomerByReference', customer)
    const cookies = cookiesOf(issuer)
    const guessing = openGuessing()
    parts.push({ name: 'guessing', stop: () => guessing.stop() })
    const passwords = openPasswords((err) => log.error({ err }, 'the hash of a password cannot be read'))
    parts.push({ name: 'passwords', stop: () => passwords.stop() })
    let isStopping = false
    const refusals = openRefusals(db, report)
    parts.push({ name: 'refusals', stop: () => refusals.stop() })
    const linker = linksLeads
      ? openLinker(beside, report, (isLate, lag) =>
          isLate
            ? log.warn(lag, 'leads are given to their customers late')
            : log.info(lag, 'leads are given to their customers in time again'),
        )
      : undefined
    if (linker) parts.push({ name: 'linker', stop: () => linker.stop() })
    const handlers = handlersWith({
      linkingLag: () => linker?.lag(),
      isStopping: () => isStopping,
      db,
      clocks,
      hot,
      secrets,
      keyring,
      issuer,
      requireWritable,
      intake,
      leadViolations,
      customerViolations,
      itemProblem: (err, requestId) => {
        const passing = unavailableFor(err)
        if (!passing) log.error({ requestId, err }, 'items of a batch failed')
        return passing ?? new Problem('internal')
      },
      feed,
      cookies,
      idleSeconds: sessionIdleSeconds,
      refusals,
      unknownTried: (email, address) =>
        log.warn({ email: maskedEmail(email), address }, 'somebody tried to sign in with an e-mail that nobody has'),
      notRemembered: (error) => log.error({ err: error }, 'a right password that nothing follows is told to nobody'),
      attempts: openAttempts(db, secrets),
      passwords,
      devices: devices(secrets, cookies),
      guessing,
      meter,
      limits,
      passwordChanged,
      mailIsReady: mail !== undefined,
      report: (error) => log.error({ err: error }, 'a link to choose a password could not be sent'),
    })
    if (mail) {
      const write = letterWriter(beside, secrets, issuer)
      const sender = openSender(beside, mail, issuer, write, report)
      parts.push({ name: 'sender', stop: () => sender.stop() })
      parts.push(openNotifier(beside, report))
    }
    parts.push(openUnfinished(beside, mail !== undefined, report))
    const recorder = openRecorder(hot, report, (leftOut) =>
      log.error({ leftOut }, 'requests are missing from the log of requests'),
    )
    parts.push({ name: 'recorder', stop: () => recorder.stop() })
    const watcher = openWatcher(beside, report)
    parts.push({ name: 'watcher', stop: () => watcher.stop() })
    parts.push(...openSweeps(beside, report))
    parts.push(openComingScopes(beside, report))
    const app = createApp({
      contract,
      handlers,
      judge,
      meter,
      services: { db, write },
      documentation,
      trustProxy,
      log,
      recorder,
      refusals,
      cookies,
      headers: browserHeaders(issuer),
    })
    return {
      app,
      database,
      secrets,
      recorder,
      refusals,
      refuseReadiness: () => {
        isStopping = true
      },
      endStreams: () => feed.stop(),
      watcher,
      linker,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * A database must be opened with the master secrets that it was written with.
 *
 * @throws {Refusal} naming the versions that differ or are missing.
 */
export async function requireSameSecrets(db: Knex, secrets: Secrets): Promise<void> {
  const recorded = await tokens.findFingerprints(db)
  const differing = recorded.filter(
    ({ version, fingerprint }) =>
      secrets.versions.includes(version) && !secrets.fingerprint(version).equals(fingerprint),
  )
  if (differing.length > 0)
    throw new Refusal(
      `SECRET_KEYS is not the one that this database was written with (${differing.map(({ version }) => version).join(', ')}). Start with the right one: with another, no API key would work.`,
    )
  const inUse = await Promise.all(
    [tokens, apiKeys, sessions, users, passkeys, outbox].map((room) => room.findSecretVersionsInUse(db)),
  )
  const missing = [...new Set(inUse.flat())].filter((version) => !secrets.versions.includes(version))
  if (missing.length > 0)
    throw new Refusal(
      `SECRET_KEYS has no ${missing.join(', ')}, which rows in this database still need. Add it behind the current one.`,
    )
  for (const version of secrets.versions) await tokens.addFingerprint(db, version, secrets.fingerprint(version))
}
