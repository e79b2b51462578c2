import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const workingTree = join(import.meta.dirname, '..')

/** The code of a commit in `folder`, with the packages that it names; its dashboard is that of the working tree. */
export function checkOut(commit: string, folder: string): void {
  mkdirSync(folder, { recursive: true })
  const script = 'git archive --format=tar "$1" | tar -x -C "$2"'
  execFileSync('/bin/bash', ['-o', 'pipefail', '-c', script, 'bash', commit, folder], { cwd: workingTree })
  symlinkSync(join(workingTree, 'dist'), join(folder, 'dist'))
  const [its = '', ours] = [folder, workingTree].map((root) => readFileSync(join(root, 'package-lock.json'), 'utf8'))
  if (its === ours) symlinkSync(join(workingTree, 'node_modules'), join(folder, 'node_modules'))
  // What the packages would do after they were installed is to build the dashboard.
  else execFileSync('npm', ['ci', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'], { cwd: folder })
}
