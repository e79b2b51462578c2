import { createHash } from 'node:crypto'
import { Refusal } from '../refusal.ts'

export interface Migration {
  name: string
  sql: string
}

/** A migration that the database says it has. Without a checksum: applied before there were any. */
export interface Applied {
  name: string
  checksum: string | null
}

/** A statement that no transaction may hold, and the index that is left invalid when it is cut short. */
export interface LoneStatement {
  sql: string
  builds: string | undefined
}

const mark = '-- no transaction'
const repeatable =
  /^(create (?:unique )?index concurrently if not exists (?<builds>\w+) |drop index concurrently if exists |analyze )/i

/** The text as every checkout has it, whatever its line ends. */
export const textOf = (file: string): string => file.replaceAll('\r\n', '\n')

export const checksumOf = ({ sql }: Migration): string => createHash('sha256').update(sql).digest('hex')

/**
 * What the database still lacks, in order.
 *
 * @throws {Error} when the database is newer than this program, or has a migration whose file was edited since.
 */
export function due(migrations: readonly Migration[], applied: readonly Applied[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]))
  const unknown = applied.filter(({ name }) => !known.has(name)).map(({ name }) => name)
  if (unknown.length > 0)
    throw new Refusal(
      `The database was written by a newer version (${unknown.join(', ')}). Start that version, or a newer one.`,
    )
  const edited = applied.filter(({ name, checksum }) => {
    const migration = known.get(name)
    return checksum !== null && migration && checksum !== checksumOf(migration)
  })
  if (edited.length > 0)
    throw new Refusal(
      `${edited.map(({ name }) => name).join(', ')}: not the text that this database was made with. An applied migration is never edited: bring its text back, and write what should change as a new one.`,
    )
  const names = new Set(applied.map(({ name }) => name))
  return migrations.filter(({ name }) => !names.has(name))
}

/**
 * The statements of a migration whose first line is `-- no transaction`; `undefined` for one that runs in a
 * transaction. They may be cut short between any two and begin anew, so that only what can be repeated may stand there.
 * A statement ends with a line that ends with `;`.
 *
 * @throws {Error} for a statement of another kind, which would do better in a transaction.
 */
export function loneStatements({ name, sql }: Migration): LoneStatement[] | undefined {
  const [first, ...lines] = sql.split('\n')
  if (first !== mark) return
  const code = lines.filter((line) => !line.trimStart().startsWith('--')).join('\n')
  return code
    .split(/;\s*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
    .map((statement) => {
      const match = repeatable.exec(statement.replaceAll(/\s+/g, ' '))
      if (!match)
        throw new Error(
          `${name}: "${statement.replace(/\n.*/s, '')}" has no place after "${mark}". There, only create index concurrently if not exists, drop index concurrently if exists and analyze can be begun anew.`,
        )
      return { sql: statement, builds: match.groups?.['builds'] }
    })
}
