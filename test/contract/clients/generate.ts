import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createClient as generateWithHeyApi } from '@hey-api/openapi-ts'
import { generate as generateWithOrval } from 'orval'
import { generateApi } from 'swagger-typescript-api'
import type { MainJob } from './main-job.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const contract = join(root, 'generated/integrators.yaml')

const generators = {
  // With a validator that is made from the document, too: it refuses whatever the document leaves no room for.
  'hey-api': (folder: string) =>
    generateWithHeyApi({
      input: contract,
      output: { path: join(folder, 'client'), importFileExtension: '.ts' },
      plugins: ['@hey-api/client-fetch', '@hey-api/typescript', { name: '@hey-api/sdk', validator: true }, 'zod'],
      logs: { file: false, level: 'silent' },
    }),
  oazapfts: (folder: string) => run('oazapfts', [contract, 'client.ts'], folder),
  'openapi-typescript': (folder: string) => run('openapi-typescript', [contract, '--output', 'schema.ts'], folder),
  orval: (folder: string) =>
    generateWithOrval(
      {
        input: contract,
        output: {
          target: 'client.ts',
          client: 'fetch',
          override: { mutator: { path: 'orval-fetch.ts', name: 'fetchFrom', extension: '.ts' } },
        },
      },
      folder,
    ),
  'swagger-typescript-api': (folder: string) =>
    generateApi({ input: contract, output: folder, fileName: 'client.ts', silent: true }),
}

export type Generator = keyof typeof generators
export const generatorNames = Object.keys(generators) as Generator[]

const compilerOptions = {
  strict: true,
  noUncheckedIndexedAccess: true,
  target: 'es2024',
  lib: ['es2024', 'dom', 'dom.iterable'],
  types: ['node'],
  module: 'nodenext',
  rewriteRelativeImportExtensions: true,
  outDir: 'js',
}

/**
 * Generates a client from generated/integrators.yaml, compiles it strictly with its program beside this file, and loads
 * the program.
 *
 * @throws with the output of the generator or of tsc when it fails.
 */
export async function mainJobOf(generator: Generator): Promise<MainJob> {
  // Within node_modules the imports of the client resolve. Node strips no types there, so tsc emits JavaScript.
  const cache = join(root, 'node_modules/.cache/contract')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, `${generator}-`))
  const programs = join(import.meta.dirname, 'programs')
  for (const file of (await readdir(programs)).filter((name) => name.startsWith(generator)))
    await copyFile(join(programs, file), join(folder, file))
  await copyFile(join(import.meta.dirname, 'main-job.ts'), join(folder, 'main-job.ts'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.ts'] }))

  await generators[generator](folder)
  await run('tsc', ['--project', '.'], folder)
  const { mainJob } = await import(pathToFileURL(join(folder, 'js', `${generator}.js`)).href)
  await rm(folder, { recursive: true }) // After a failure it stays, to be looked at.
  return mainJob
}

function run(command: string, options: readonly string[], cwd: string): Promise<void> {
  return new Promise((done, fail) => {
    execFile(join(root, 'node_modules/.bin', command), options, { cwd }, (error, stdout, stderr) =>
      error ? fail(new Error(`${command} failed in ${cwd}:\n${stdout}${stderr}`)) : done(),
    )
  })
}
