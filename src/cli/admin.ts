import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { forgetFirstAdmin, keptSecretsPath, readSecrets } from '../data-dir.ts'
import { runningEmbedded, startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { type Database, openDatabase } from '../db/pool.ts'
import { inner, outer } from '../ids.ts'
import { resetPasskeys } from '../passkeys/operator.ts'
import { secretsFrom } from '../secrets.ts'
import { replaceSigningKeys, rotateSigningKey } from '../tokens/keyring.ts'
import { openGuessing } from '../users/guessing.ts'
import { createDealer, createUser, recordRotation, releaseUser, resetPassword } from '../users/operator.ts'
import { country, dealerId, email, language, passwordIn, personOrDealer, timeZone } from './input.ts'
import { settings } from './settings.ts'

// What the operator of the service does from the command line: npm run admin -- <command>

const config = settings()

/**
 * Works on DATABASE_URL, on the embedded database of a running service, or on the embedded database started for this
 * one command.
 */
async function withDatabase(work: (database: Database) => Promise<void>): Promise<void> {
  const running = config.databaseUrl === undefined ? await runningEmbedded(config.dataDir) : undefined
  const started =
    config.databaseUrl === undefined && !running
      ? await startEmbedded(
          config.dataDir,
          (level, message) => level !== 'info' && console.error(message),
          0,
          keptSecretsPath(config.dataDir),
        )
      : undefined
  const connection = running ?? started?.connection ?? { connectionString: config.databaseUrl ?? '' }
  try {
    await migrate(connection, (_level, message) => console.error(message))
    const database = openDatabase(connection, () => undefined)
    await work(database).finally(() => database.close())
  } finally {
    await started?.stop()
  }
}

const ownSecrets = () => secretsFrom(config.secretKeys ?? readSecrets(config.dataDir))

const program = new Command('admin').description('Manages dealers, users and signing keys')

program
  .command('list-dealers')
  .description('lists the dealers')
  .action(() =>
    withDatabase(async ({ db }) => {
      for (const { id, name, country } of await db('dealers').orderBy('id'))
        console.log(`${outer('dealer', id)}  ${name} (${country})`)
    }),
  )

program
  .command('create-dealer')
  .description('makes a dealer and its first admin')
  .requiredOption('--name <name>', '', personOrDealer)
  .requiredOption('--email <email>', 'of the admin', email)
  .option('--admin-name <name>', 'of the admin', personOrDealer, 'Admin')
  .option('--country <code>', 'two letters', country, 'DK')
  .option('--time-zone <zone>', 'IANA', timeZone, 'Europe/Copenhagen')
  .option('--language <tag>', 'BCP 47', language, 'da')
  .action((options) =>
    withDatabase(async ({ db }) => {
      const dealer = {
        name: options.name,
        country: options.country,
        time_zone: options.timeZone,
        language: options.language,
      }
      const { dealerId: id, password } = await createDealer(db, dealer, {
        email: options.email,
        name: options.adminName,
      })
      console.log(
        `Dealer    ${outer('dealer', id)}\nAdmin     ${options.email}\nPassword  ${password}  (shown this once)`,
      )
    }),
  )

program
  .command('add-user')
  .description('adds a person to a dealer')
  .requiredOption('--dealer <id>', 'see list-dealers', dealerId)
  .requiredOption('--email <email>', '', email)
  .requiredOption('--name <name>', '', personOrDealer)
  .addOption(new Option('--role <role>').choices(['admin', 'sales']).default('sales'))
  .action((options) =>
    withDatabase(async ({ db }) => {
      const { password } = await createUser(db, inner(options.dealer), options.role, {
        email: options.email,
        name: options.name,
      })
      console.log(`User      ${options.email}\nPassword  ${password}  (shown this once)`)
    }),
  )

program
  .command('reset-password')
  .description('gives a person a new password and ends the sessions of the old one')
  .argument('<email>', '', email)
  .option('--password-stdin', 'takes the new password from standard input instead of making one')
  .action((address: string, { passwordStdin }) => {
    const wanted = passwordStdin ? passwordIn(readFileSync(0, 'utf8')) : undefined
    return withDatabase(async ({ db }) => {
      if (wanted !== undefined) await requireHardToGuess(wanted, [address])
      const { password } = await resetPassword(db, address, wanted)
      await releaseUser(db, ownSecrets(), address)
      if (config.databaseUrl === undefined) forgetFirstAdmin(config.dataDir, address)
      console.log(
        `User      ${address}\nPassword  ${wanted === undefined ? `${password}  (shown this once)` : 'changed'}`,
      )
    })
  })

program
  .command('release')
  .description('lets a person sign in again who is locked out after too many failed attempts')
  .argument('<email>', '', email)
  .action((address: string) =>
    withDatabase(async ({ db }) => {
      await releaseUser(db, ownSecrets(), address)
      console.log(`User      ${address}\nReleased`)
    }),
  )

/** @throws {Problem} `password-guessable` */
async function requireHardToGuess(password: string, known: string[]): Promise<void> {
  const guessing = openGuessing()
  await guessing.requireHardToGuess(password, known).finally(() => guessing.stop())
}

program
  .command('reset-passkeys')
  .description('removes the passkeys and recovery codes of a person who has lost them, and ends their sessions')
  .argument('<email>', '', email)
  .action((address: string) =>
    withDatabase(async ({ db }) => {
      const count = await resetPasskeys(db, config.mail !== undefined, address)
      console.log(`User      ${address}\nPasskeys  ${count} removed; the password alone signs in, to add one`)
    }),
  )

program
  .command('rotate-signing-key')
  .description('adds a key that signs access tokens; the old one goes by itself when its last token has ended')
  .option('--now', 'for a key that has leaked: withdraws the others, so that every access token is dead')
  .action(({ now }) =>
    withDatabase(async ({ db }) => {
      const secrets = ownSecrets()
      const kid = now
        ? await replaceSigningKeys(db, secrets, (trx, at) => recordRotation(trx, 'signing_key.replaced', at))
        : await rotateSigningKey(db, secrets, (trx, at) => recordRotation(trx, 'signing_key.rotated', at))
      console.log(
        now
          ? `Key ${kid} signs now; all earlier access tokens are dead`
          : `Key ${kid} signs from 90 seconds on; the one from before is withdrawn about half an hour later`,
      )
    }),
  )

try {
  await program.parseAsync()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
